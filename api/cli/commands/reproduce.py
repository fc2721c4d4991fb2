"""`optimize reproduce`: a published experiment from one command, beside its published values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer
from rich.table import Table

from api.cli.context import AsJson, CacheDir, Shared, Storage, shared_of
from optimizer.errors import UnknownNameError

if TYPE_CHECKING:
    from optimizer.reproduce.reproduce import Reproduction  # brings torch


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("reproduce")(reproduce)


def reproduce(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The preset, such as mlp-layerwise.")],
    scale: Annotated[str, typer.Option(help="quick: minutes on two cores; paper: as published.")] = "quick",
    dataset: Annotated[str | None, typer.Option(help="One data set of the preset, or the built-in digits.")] = None,
    data: Annotated[Path | None, typer.Option(help="Directory with parquet, npz or image folders.")] = None,
    model: Annotated[str | None, typer.Option(help="One model of the preset.")] = None,
    runs: Annotated[int | None, typer.Option(help="Runs per configuration, each with its own seed.")] = None,
    output: Annotated[Path | None, typer.Option(help="Directory for runs, tables and figures.")] = None,
    storage: Storage = None,
    cache_dir: CacheDir = None,
    as_json: AsJson = False,
) -> None:
    """Run a published experiment and write its tables and figures; finished runs are kept and not repeated."""
    from optimizer.reproduce.plan import Request
    from optimizer.reproduce.preset import ScaleName, load_preset
    from optimizer.reproduce.reproduce import reproduce as run

    if scale not in get_args(ScaleName):
        raise UnknownNameError("--scale", scale, get_args(ScaleName))
    shared = shared_of(ctx, storage, cache_dir, as_json=as_json)
    request = Request(
        preset=load_preset(name),
        scale=cast("ScaleName", scale),
        dataset=dataset,
        directory=data,
        model=model,
        runs=runs,
    )
    found = run(request, output or Path(f"reproduce-{name}"), progress=shared.messages.print)
    _answer(shared, found)


def _answer(shared: Shared, found: Reproduction) -> None:
    if shared.as_json:
        return shared.answer(found)
    table = Table("configuration", "overall sparsity", "accuracy, %", "change", "time", "energy", "runs", box=None)
    for row in found.rows:
        deviation = "" if row.accuracy.deviation is None else f" ± {100 * row.accuracy.deviation:.2f}"
        table.add_row(
            f"{row.dataset} {row.model} {row.configuration}",
            f"{row.overall_sparsity:.2%}",
            f"{100 * row.accuracy.mean:.2f}{deviation}",
            f"{100 * row.accuracy_change.mean:+.2f}",
            f"{row.time_change.mean:+.1%}",
            f"{row.energy_change.mean:+.1%} ({row.energy_source})",
            str(row.runs),
        )
    shared.console.print(table)
    return shared.console.print("\n".join([*found.sentences, "", *found.files]), highlight=False, markup=False)
