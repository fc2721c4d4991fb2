"""`optimize report`: a study as one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.bundles import taking
from api.cli.context import Shared, StudyName, check_output, shared_of
from api.cli.saying import say


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("report")(report)


@taking(shared=shared_of)
def report(
    *,
    shared: Shared,
    study: StudyName,
    output: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
) -> None:
    """Write a self-contained HTML report of a study."""
    check_output(output)
    with shared.studies() as known:
        result = known.result(study)
        from optimizer.report import write_report  # brings plotly, which a mistyped name should not wait for

        write_report(result, known.members(study), output)
    if shared.as_json:
        shared.answer({"schema_version": 1, "study": result.study, "report": str(output)})
    else:
        say(shared.console, f"report: {output}")
