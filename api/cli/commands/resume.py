"""`optimize resume`: go on with a study where it was left."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.commands.run import all_members, hand_over
from api.cli.context import AsJson, CacheDir, Storage, StudyName, shared_of
from api.cli.live import LiveProgress


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("resume")(resume)


def resume(
    ctx: typer.Context,
    study: StudyName,
    epsilon: Annotated[
        float | None, typer.Option(help="A larger ε: what was stopped and might be feasible there is finished.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Also write the report to this HTML file.")] = None,
    storage: Storage = None,
    cache_dir: CacheDir = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a study; nothing that is stored is evaluated again."""
    from optimizer.run import resume as go_on

    shared = shared_of(ctx, storage, cache_dir, as_json=as_json)
    with shared.store() as store, LiveProgress(shared.messages) as live:
        result = go_on(study, store=store, cache_dir=shared.cache_dir, epsilon=epsilon, listener=live)
        members = all_members(result, store)
    hand_over(result, members, shared, output)
