"""`optimize reproduce`: run a published experiment and compare it with its published values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer
from rich.table import Table

from api.cli.bundles import taking
from api.cli.context import Shared, shared_here
from optimizer.errors import UnknownNameError

if TYPE_CHECKING:
    from optimizer.reproduce.encoders.reproduce import EncoderReproduction
    from optimizer.reproduce.figure import Figure
    from optimizer.reproduce.images.reproduce import Reproduction  # brings torch


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("reproduce")(reproduce)


@taking(shared=shared_here)
def reproduce(
    *,
    shared: Shared,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The preset, such as mlp-layerwise.")],
    scale: Annotated[str, typer.Option(help="quick: minutes on two cores; paper: as published.")] = "quick",
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
) -> None:
    """Run a published experiment and write its tables and figures; finished runs are kept and not repeated."""
    from optimizer.reproduce.asked import Asked
    from optimizer.reproduce.presets import ScaleName
    from optimizer.reproduce.start import start

    if scale not in get_args(ScaleName):
        raise UnknownNameError("--scale", scale, get_args(ScaleName))
    asked = Asked(scale=cast("ScaleName", scale), dataset=dataset, directory=data, model=model, runs=runs)
    place = output or Path(f"reproduce-{name}")
    found = start(name, asked, place, cache_dir=shared.cache_dir, progress=shared.messages.print)
    _answer(shared, found)


def _answer(shared: Shared, found: Reproduction | EncoderReproduction) -> None:
    from optimizer.reproduce.images.reproduce import Reproduction

    if shared.as_json:
        return shared.answer(found)
    shared.console.print(_image_table(found) if isinstance(found, Reproduction) else _encoder_table(found))
    remarks = () if isinstance(found, Reproduction) else ("", *found.remarks)
    return shared.console.print(
        "\n".join([*found.sentences, *remarks, "", *found.files]), highlight=False, markup=False
    )


def _image_table(found: Reproduction) -> Table:
    table = Table("configuration", "overall sparsity", "accuracy, %", "change", "time", "energy", "runs", box=None)
    for row in found.rows:
        table.add_row(
            f"{row.dataset} {row.model} {row.configuration}",
            f"{row.overall_sparsity:.2%}",
            _percent(row.accuracy),
            f"{100 * row.accuracy_change.mean:+.2f}",
            f"{row.time_change.mean:+.1%}",
            f"{row.energy_change.mean:+.1%} ({row.energy_source})",
            str(row.runs),
        )
    return table


def _encoder_table(found: EncoderReproduction) -> Table:
    heads = ("configuration", "accuracy, %", "change", "F1", "MCC", "FLOPs", "CPU time", "GPU time", "energy", "runs")
    table = Table(*heads, box=None)
    for row in found.rows:
        gpu = row.gpu_latency_change
        table.add_row(
            f"{row.dataset} {Path(row.model).name} {row.learning_rate:g} {row.configuration}",
            _percent(row.accuracy),
            f"{100 * row.accuracy_change.mean:+.2f}",
            _percent(row.f1),
            f"{row.mcc.mean:.3f}",
            f"{row.flops_change.mean:+.1%}",
            f"{row.cpu_latency_change.mean:+.1%}",
            "no GPU" if gpu is None else f"{gpu.mean:+.1%}",
            f"{row.energy_change.mean:+.1%} ({row.energy_source})",
            str(row.runs),
        )
    return table


def _percent(figure: Figure) -> str:
    deviation = "" if figure.deviation is None else f" ± {100 * figure.deviation:.2f}"
    return f"{100 * figure.mean:.2f}{deviation}"
