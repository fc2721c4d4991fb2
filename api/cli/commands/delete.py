"""`optimize delete`: forget a study. Its use of verification examples stays counted."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.bundles import taking
from api.cli.context import Shared, StudyName, shared_of
from api.cli.saying import say
from optimizer.errors import InputError


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("delete")(delete)


@taking(shared=shared_of)
def delete(
    *,
    shared: Shared,
    study: StudyName,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without confirmation.")] = False,
) -> None:
    """Delete a study with its candidates and measurements."""
    with shared.studies() as known:
        name = known.study(study).study
        if not yes and (shared.as_json or not typer.confirm(f"Delete study {name!r} permanently?", err=True)):
            raise InputError("--yes", f"{name!r} was not deleted; use --yes to delete it without confirmation")
        known.delete(name)
    if shared.as_json:
        shared.answer({"schema_version": 1, "deleted": name})
    else:
        say(shared.console, f"deleted {name}")
