"""`optimize footprint`: what a study has spent, in joules, kilowatt-hours and grams of CO2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal
from rich.table import Table

from api.cli.bundles import taking
from api.cli.context import Shared, StudyName, shared_of
from api.cli.saying import say
from objectives.figures import scaled

if TYPE_CHECKING:
    from optimizer.views.accounts import OfTraining
    from optimizer.views.footprint import Footprint


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("footprint")(footprint)


@taking(shared=shared_of)
def footprint(
    *,
    shared: Shared,
    study: StudyName,
    region: Annotated[
        str, typer.Option(help="world-2018, world-2000-2017, or a country by name or code of three letters.")
    ],
    pue: Annotated[float, typer.Option(help="Energy of the data centre over that of its computers.")] = 1.0,
) -> None:
    """Show what a study has spent, by stage and part: J, Wh, kWh, and CO2 in a region's power grid."""
    from optimizer.views.footprint import footprint as of

    with shared.studies() as known:
        found = of(known.result(study), region=region, pue=pue)
    if shared.as_json:
        return shared.answer(found)
    shared.console.print(_stages(found))
    for line in _said(found):
        say(shared.console, line)
    return None


def _stages(found: Footprint) -> Table:
    table = Table("stage", "time", "CPU", "GPU", "RAM", "own share", "memory", box=None)
    for stage in found.stages:
        parts = {part.part: scaled(part.joules, "J") for part in stage.parts}
        cells = (parts.get(name, "–") for name in ("CPU", "GPU", "RAM"))
        share, memory = f"{stage.own_cpu_share:.0%}", decimal(stage.resident_bytes)
        table.add_row(stage.stage, scaled(stage.seconds, "s"), *cells, share, memory)
    return table


def _said(found: Footprint) -> list[str]:
    intensity = found.intensity
    sources = ", ".join(f"{part} {source}" for part, source in found.sources.items())
    return [
        f"{scaled(found.joules, 'J')} = {found.wh:.4g} Wh = {found.kwh:.4g} kWh ({sources})",
        f"of which this study's own: {scaled(found.own_joules, 'J')} = {found.own_wh:.4g} Wh, an estimate by its share "
        "of the processor time",
        *_of_trainings(found),
        f"{found.grams:.4g} g CO2: own energy × PUE {found.pue:g} × {intensity.g_per_kwh:g} g/kWh "
        f"({intensity.region}, {intensity.years}; {intensity.source})",
    ]


def _of_trainings(found: Footprint) -> list[str]:
    lines, dense, trained = list[str](), found.dense_training, found.trained
    if dense is not None:
        lines.append(f"training of the dense model {_training(dense, sum(each.of_epoch for each in dense.epochs))}")
    if trained is not None:
        lines.append(f"trainings of {trained.candidates} candidates {_training(trained, trained.epochs)}")
    return lines


def _training(spent: OfTraining, epochs: float) -> str:
    return (
        f"in {epochs:.3g} epochs: {scaled(spent.joules, 'J')} = {spent.wh:.4g} Wh = {spent.kwh:.4g} kWh, "
        f"{scaled(spent.joules / epochs, 'J')} an epoch; part of the stages above, unless an earlier study left it in "
        "the cache"
    )
