"""`optimize show`: a study as it stands, finished or not."""

from __future__ import annotations

import typer

from api.cli.context import AsJson, CacheDir, Storage, StudyName, shared_of
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
) -> None:
    """Show a study: its front, conditions and time."""
    from optimizer.result import result_of

    shared = shared_of(ctx, storage, cache_dir, as_json=as_json)
    with shared.store(read_only=True) as store:
        result = result_of(store.study(study), store)
    if shared.as_json:
        shared.answer(result)
    else:
        print_result(result, shared.console)
