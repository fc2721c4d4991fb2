"""`optimize report`: a study as one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.context import AsJson, CacheDir, Storage, StudyName, shared_of


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("report")(report)


def report(
    ctx: typer.Context,
    study: StudyName,
    output: Annotated[Path, typer.Option(help="Where to write it.")] = Path("report.html"),
    storage: Storage = None,
    cache_dir: CacheDir = None,
    as_json: AsJson = False,
) -> None:
    """Write a self-contained HTML report of a study."""
    from optimizer.fronts import members_of
    from optimizer.report import write_report
    from optimizer.result import result_of

    shared = shared_of(ctx, storage, cache_dir, as_json=as_json)
    with shared.store(read_only=True) as store:
        found = store.study(study)
        result = result_of(found, store)
        members = members_of(found, store.candidates(found.id)) if found.baseline else []
    write_report(result, members, output)
    if shared.as_json:
        shared.answer({"schema_version": 1, "study": result.study, "report": str(output)})
    else:
        shared.console.print(f"report: {output}")
