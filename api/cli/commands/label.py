"""`optimize label`: tags and a note on a study, to find it by and to remember why."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.bundles import taking
from api.cli.context import Shared, StudyName, shared_of
from api.cli.saying import say
from optimizer.errors import InputError


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("label")(label)


@taking(shared=shared_of)
def label(
    *,
    shared: Shared,
    study: StudyName,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="A tag; may repeat. The tags replace the previous ones.")
    ] = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="Remove all tags.")] = False,
    note: Annotated[str | None, typer.Option("--note", help="A note; it replaces the previous one.")] = None,
) -> None:
    """Put tags and a note on a study."""
    if tag and no_tags:
        raise InputError("--no-tags", "removes all tags and --tag sets some; remove one of them")
    tags = [] if no_tags else tag or None
    if tags is None and note is None:
        raise InputError("--tag", "give --tag, --note or --no-tags")
    with shared.studies() as known:
        labelled = known.label(study, tags=tags, note=note)
    if shared.as_json:
        return shared.answer(labelled)
    say(shared.console, f"{labelled.study}: {', '.join(labelled.tags) or 'no tags'}")
    if labelled.note:
        say(shared.console, labelled.note)
    return None
