"""`optimize show`: a study's current result, finished or not."""

from __future__ import annotations

import typer

from api.cli.context import ApiKey, AsJson, CacheDir, ServerUrl, Storage, StudyName, shared_of
from api.cli.render import print_result


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("show")(show)


def show(
    ctx: typer.Context,
    study: StudyName,
    storage: Storage = None,
    cache_dir: CacheDir = None,
    as_json: AsJson = False,
    server: ServerUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Show a study: its front, conditions and time."""
    shared = shared_of(ctx, storage, cache_dir, as_json=as_json, server=server, api_key=api_key)
    with shared.studies() as known:
        result = known.result(study)
        resume = known.resume_command(result.study)
    if shared.as_json:
        shared.answer(result)
    else:
        print_result(result, shared.console, resume=resume)
        if result.why_empty:
            shared.messages.print(f"The front is empty: {result.why_empty}", highlight=False, markup=False)
