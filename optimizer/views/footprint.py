"""Footprint: stored joules in other units, and what they stand for in a data centre and in a power grid.

Joules are stored as they were counted or modelled. PUE and carbon intensity multiply them when they are shown, each
with its source and year, so that another figure can be had at any time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from optimizer.errors import InputError, UnknownNameError
from optimizer.views.accounts import JOULES_PER_WH, SpentView, TrainedView, TrainingView
from optimizer.views.member import RunResult, View

EXTRA = "pip install 'pruning-optimizer[carbon]' knows 213 countries"


class Intensity(View):
    """Grams of CO2 (equivalents, where the source says so) per kilowatt-hour of electricity of a region."""

    region: str
    g_per_kwh: float
    source: str
    years: str


WORLD = {
    "world-2018": Intensity(
        region="world-2018",
        g_per_kwh=475.0,
        source="IEA, Global Energy & CO2 Status Report 2019: average of the world's power generation",
        years="2018",
    ),
    "world-2000-2017": Intensity(
        region="world-2000-2017",
        g_per_kwh=527.93,
        source="the data set of Peng, as Zenoozi et al. 2026, section 4.3, use it: mean of the world",
        years="2000-2017",
    ),
}


class Footprint(View):
    """What a run spent, in total and by stage, its own share of the machine, and that in a data centre and a grid.

    `own_wh` is the share of this process, an estimate by processor time, before `pue`; `grams` are of `own_wh` × `pue`.
    `trained` is the part of the trainings in it, and of those that an earlier study kept in the cache; so is
    `dense_training`, of the training that made the dense model.
    """

    schema_version: int = 1
    study: str
    joules: float
    wh: float
    kwh: float
    own_joules: float
    own_wh: float
    pue: float
    intensity: Intensity
    grams: float
    resident_bytes: int
    peak_cuda_bytes: int | None
    sources: dict[str, str]
    stages: tuple[SpentView, ...]
    trained: TrainedView | None = None
    dense_training: TrainingView | None = None


def footprint(result: RunResult, *, region: str, pue: float = 1.0) -> Footprint:
    """Return the footprint of a study.

    Args:
        result: of the study, finished or not.
        region: "world-2018", "world-2000-2017", or a country by name or ISO 3166 code of three letters.
        pue: energy of a data centre over that of its computers, at least 1.

    Raises:
        InputError: a study of an older version, which counted no joules, or a PUE below 1.
        UnknownNameError: an unknown region.
    """
    if not 1 <= pue < math.inf:
        raise InputError("pue", f"must be at least 1, got {pue}")
    if not result.spent:
        raise InputError("study", f"{result.study!r} kept no joules: no stage of it ended, or an older version ran it")
    intensity = intensity_of(region)
    parts = [part for stage in result.spent for part in stage.parts]
    joules, own = sum(part.joules for part in parts), sum(part.own_joules for part in parts)
    cuda = [stage.peak_cuda_bytes for stage in result.spent if stage.peak_cuda_bytes is not None]
    return Footprint(
        study=result.study,
        joules=joules,
        wh=joules / JOULES_PER_WH,
        kwh=joules / JOULES_PER_WH / 1000,
        own_joules=own,
        own_wh=own / JOULES_PER_WH,
        pue=pue,
        intensity=intensity,
        grams=grams_of(own * pue, intensity),
        resident_bytes=max(stage.resident_bytes for stage in result.spent),
        peak_cuda_bytes=max(cuda, default=None),
        sources={part.part: part.source for part in parts},
        stages=result.spent,
        trained=result.trained,
        dense_training=result.baseline.training if result.baseline else None,
    )


def grams_of(joules: float, intensity: Intensity) -> float:
    """Return the grams of CO2 of so many joules of electricity."""
    return joules / JOULES_PER_WH / 1000 * intensity.g_per_kwh


def intensity_of(region: str) -> Intensity:
    """Return the intensity of a region by name or code, in any case. Raises `UnknownNameError` with the nearest."""
    known = _by_name()
    found = known.get(region.strip().lower())
    if found is None:
        remedy = "" if _countries() else f"({EXTRA})"
        raise UnknownNameError("region", region, known, remedy=remedy)
    return found


@cache
def _by_name() -> Mapping[str, Intensity]:
    found: dict[str, Intensity] = {}
    for code, each in _countries().items():
        intensity = Intensity(
            region=str(each["country_name"]),
            g_per_kwh=float(each["carbon_intensity"]),
            source=f"codecarbon {version('codecarbon')}, global_energy_mix.json (Our World in Data, Ember; MIT)",
            years=str(each["year"]),
        )
        found |= dict.fromkeys((code.lower(), intensity.region.lower()), intensity)
    return found | WORLD


@cache
def _countries() -> Mapping[str, Mapping[str, Any]]:
    """Return the table of countries that codecarbon brings, empty without it; nothing of it is imported."""
    package = find_spec("codecarbon")
    if package is None or package.origin is None:
        return {}
    table = Path(package.origin).parent / "data" / "private_infra" / "global_energy_mix.json"
    found: dict[str, dict[str, Any]] = json.loads(table.read_text(encoding="utf-8"))
    return {code: each for code, each in found.items() if each.get("carbon_intensity") is not None}
