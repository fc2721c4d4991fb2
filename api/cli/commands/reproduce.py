"""`optimize reproduce`: run a published experiment and compare it with its published values."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer
from rich.table import Table

from api.cli.bundles import taking
from api.cli.context import Shared, shared_here
from api.cli.saying import say
from optimizer.errors import UnknownNameError

if TYPE_CHECKING:
    from optimizer.reproduce.plan import Plan
    from optimizer.reproduce.reproduce import Reproduction


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("reproduce")(reproduce)


@taking(shared=shared_here)
def reproduce(
    *,
    shared: Shared,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The preset, such as mlp-layerwise.")],
    scale: Annotated[
        str,
        typer.Option(
            help="quick: minutes on two cores; overnight: a night on them, of industrial-cnn; paper: as published."
        ),
    ] = "quick",
    dataset: Annotated[
        str | None, typer.Option(help="One data set of the preset, or a stand-in: digits, fashion_mnist or phrases.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Directory of the data set's files; from the hub by default.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="One model of the preset; for texts any name, hub id or directory.")
    ] = None,
    runs: Annotated[int | None, typer.Option(help="Runs per configuration, each with its own seed.")] = None,
    output: Annotated[Path | None, typer.Option(help="Directory for runs, tables and figures.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be run; load and run nothing.")] = False,
) -> None:
    """Run a published experiment and write its tables and figures; finished runs are kept and not repeated."""
    from optimizer.reproduce.plan import plan_of
    from optimizer.reproduce.presets import ScaleName
    from optimizer.reproduce.reproduce import Asked, reproduce
    from optimizer.reproduce.start import experiment_of

    if scale not in get_args(ScaleName):
        raise UnknownNameError("--scale", scale, get_args(ScaleName))
    asked = Asked(scale=cast("ScaleName", scale), dataset=dataset, directory=data, model=model, runs=runs)
    place = output or Path(f"reproduce-{name}")
    experiment = experiment_of(name, asked, cache_dir=shared.cache_dir, progress=partial(say, shared.messages))
    if dry_run:
        return _show(shared, plan_of(experiment, place))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that tables are written of what is finished
    return _answer(shared, reproduce(experiment, place))


def _show(shared: Shared, plan: Plan) -> None:
    if shared.as_json:
        return shared.answer(plan)
    for part in plan.parts:
        say(shared.console, f"{part.model} on {part.dataset}: {', '.join(part.configurations)}; seeds {part.seeds}")
        say(shared.console, "  " + ", ".join(f"{name} {value}" for name, value in part.settings.items()))
    return say(shared.console, f"{plan.runs} runs, of which {plan.finished} are finished.")


def _answer(shared: Shared, found: Reproduction) -> None:
    if shared.as_json:
        return shared.answer(found)
    table = Table(*(column.head for column in found.summary), box=None)
    for row in found.rows:
        table.add_row(*(column.cell(row) for column in found.summary))
    shared.console.print(table)
    remarks = ("", *found.remarks) if found.remarks else ()
    return say(shared.console, "\n".join([*found.sentences, *remarks, "", *found.files]))
