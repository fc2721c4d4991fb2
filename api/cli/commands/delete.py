"""`optimize delete`: forget a study. Its use of verification examples stays counted."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.context import ApiKey, AsJson, CacheDir, ServerUrl, Storage, StudyName, shared_of
from optimizer.errors import InputError


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("delete")(delete)


def delete(
    ctx: typer.Context,
    study: StudyName,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without confirmation.")] = False,
    storage: Storage = None,
    cache_dir: CacheDir = None,
    as_json: AsJson = False,
    server: ServerUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Delete a study with its candidates and measurements."""
    shared = shared_of(ctx, storage, cache_dir, as_json=as_json, server=server, api_key=api_key)
    with shared.studies() as known:
        name = known.study(study).study
        if not yes and (shared.as_json or not typer.confirm(f"Delete study {name!r} permanently?", err=True)):
            raise InputError("--yes", f"{name!r} was not deleted; use --yes to delete it without confirmation")
        known.delete(name)
    if shared.as_json:
        shared.answer({"schema_version": 1, "deleted": name})
    else:
        shared.console.print(f"deleted {name}")
