"""`optimize resume`: resume a study where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.bundles import taking
from api.cli.commands.run import hand_over
from api.cli.context import Shared, StudyName, check_output, shared_of
from api.cli.engine_options import engine_options
from optimizer.engine import Engine


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("resume")(resume)


@taking(shared=shared_of, engine=engine_options)
def resume(
    *,
    shared: Shared,
    engine: Engine,
    study: StudyName,
    epsilon: Annotated[
        float | None, typer.Option(help="A larger ε; stopped candidates that may be feasible there are finished.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Also write the report to this HTML file.")] = None,
) -> None:
    """Resume a study; stored candidates are not evaluated again."""
    check_output(output)
    with shared.studies(engine) as known:
        result = known.resume(study, epsilon=epsilon, console=shared.messages)
        hand_over(result, known, shared, output)
