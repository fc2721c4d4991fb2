"""Trainings: the history of one as it is stored with a candidate, epoch by epoch, and as it is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import cast

from objectives.energy.spent import CPU, GPU, RAM, Joules, Spent
from objectives.measurement import Conditions, Measurement, Source
from optimizer.training.history import History, read, stored, total
from optimizer.views.accounts import JOULES_PER_WH, EpochView, PartView, TrainedView, TrainingView
from studies.records import Candidate

HISTORY = "history"
TIME, ENERGY, RESIDENT, CUDA = "training_time", "training_energy", "training_memory", "training_cuda_memory"
PARTS = {part: f"{ENERGY}_{part.lower()}" for part in (CPU, GPU, RAM)}
NOTHING: Conditions = {}


def kept_with_training(history: History) -> Mapping[str, str]:
    """Return a history as it is kept in the file of what was trained."""
    return {HISTORY: json.dumps(stored(history))}


def measured_training(kept: Mapping[str, str]) -> list[Measurement]:
    """Return the measurements of what was kept, none of nothing. An older version kept seconds and joules alone."""
    if history := history_of(kept):
        return whole_epochs(history)
    if "seconds" not in kept:
        return []
    source = Source(kept["energy_source"])
    return [
        Measurement(quantity=TIME, value=float(kept["seconds"]), unit="s", source=Source.MEASURED),
        Measurement(quantity=ENERGY, value=float(kept["joules"]), unit="J", source=source),
    ]


def history_of(kept: Mapping[str, str]) -> History:
    """Return the history that `kept_with_training` gave, empty where an older version kept none."""
    return read(json.loads(kept[HISTORY])) if HISTORY in kept else ()


def whole_epochs(history: History) -> list[Measurement]:
    """Return the measurements of a training of whole epochs."""
    return training_measurements(history, of=max(row.examples for row in history))


def training_measurements(history: History, *, of: int, conditions: Conditions = NOTHING) -> list[Measurement]:
    """Return the time, the joules, in all and by part, and the peaks of a training; samples are those of its epochs.

    An epoch has `of` examples. `conditions` are those of the time.
    """
    whole, epochs = total(history), [row.spent for row in history]

    def measured(
        quantity: str, of_one: Callable[[Spent], float], source: Source, said: Conditions = NOTHING
    ) -> Measurement:
        samples = tuple(map(of_one, epochs))
        is_peak = quantity in (RESIDENT, CUDA)
        return Measurement(
            quantity=quantity,
            value=max(samples) if is_peak else sum(samples),
            unit="bytes" if is_peak else "s" if quantity == TIME else "J",
            source=source,
            n=len(samples),
            conditions=said,
            samples=samples,
        )

    told: Conditions = {
        "epoch": [row.epoch for row in history],
        "of_epoch": [row.examples / of for row in history],
        "own_cpu_share": [spent.share for spent in epochs],
    }
    sources = dict.fromkeys(part.source for part in whole.parts.values())
    unknown = sum(spent.seconds for spent in epochs if not spent.parts)
    found = [
        measured(TIME, lambda spent: spent.seconds, Source.MEASURED, {**conditions, **told}),
        measured(
            ENERGY,
            lambda spent: spent.joules,
            _source(", ".join(sources)),
            {"own_j": sum(spent.own_joules for spent in epochs), "seconds_without_joules": unknown},
        ),
        measured(RESIDENT, lambda spent: spent.resident_bytes, Source.COUNTED),
    ]
    for name, part in whole.parts.items():
        said: Conditions = {"source": part.source, "counts_all": part.counts_all}
        found.append(measured(PARTS[name], partial(_joules, name), _source(part.source), said))
    if whole.peak_cuda_bytes is not None:
        found.append(measured(CUDA, lambda spent: spent.peak_cuda_bytes or 0, Source.COUNTED))
    return found


def training_view(measurements: Iterable[Measurement]) -> TrainingView | None:
    """Return a candidate's training, epoch by epoch; None where it had none, or an older version kept no epochs."""
    known = {each.quantity: each for each in measurements if each.quantity.startswith("training_")}
    time = known.get(TIME)
    if time is None or not time.samples:
        return None
    epochs = tuple(_epoch(known, row) for row in range(len(time.samples)))
    joules, own = known[ENERGY].value, float(cast("float", known[ENERGY].conditions["own_j"]))
    return TrainingView(
        seconds=time.value,
        joules=joules,
        own_joules=own,
        wh=joules / JOULES_PER_WH,
        kwh=joules / JOULES_PER_WH / 1000,
        resident_bytes=round(known[RESIDENT].value),
        peak_cuda_bytes=round(known[CUDA].value) if CUDA in known else None,
        epochs=epochs,
    )


def trained_view(candidates: Iterable[Candidate]) -> TrainedView | None:
    """Return the trainings of a study in one; None where no candidate was trained."""
    views = [view for candidate in candidates if (view := training_view(candidate.measurements))]
    if not views:
        return None
    joules, cuda = sum(view.joules for view in views), [view.peak_cuda_bytes for view in views]
    return TrainedView(
        candidates=len(views),
        epochs=sum(epoch.of_epoch for view in views for epoch in view.epochs),
        seconds=sum(view.seconds for view in views),
        joules=joules,
        own_joules=sum(view.own_joules for view in views),
        wh=joules / JOULES_PER_WH,
        kwh=joules / JOULES_PER_WH / 1000,
        resident_bytes=max(view.resident_bytes for view in views),
        peak_cuda_bytes=max((each for each in cuda if each is not None), default=None),
    )


def _epoch(known: Mapping[str, Measurement], row: int) -> EpochView:
    time, cuda = known[TIME], known.get(CUDA)
    of = {name: cast("list[float]", time.conditions[name])[row] for name in ("epoch", "of_epoch", "own_cpu_share")}
    return EpochView(
        epoch=int(of["epoch"]),
        of_epoch=of["of_epoch"],
        seconds=time.samples[row],
        own_cpu_share=of["own_cpu_share"],
        resident_bytes=round(known[RESIDENT].samples[row]),
        peak_cuda_bytes=None if cuda is None else round(cuda.samples[row]),
        parts=tuple(
            _part(name, known[quantity], row, of["own_cpu_share"])
            for name, quantity in PARTS.items()
            if quantity in known
        ),
    )


def _part(name: str, measured: Measurement, row: int, share: float) -> PartView:
    joules, counts_all = measured.samples[row], bool(measured.conditions["counts_all"])
    own = Joules(joules=joules, source=str(measured.conditions["source"]), counts_all=counts_all).own(name, share)
    return PartView(part=name, joules=joules, own_joules=own, source=str(measured.conditions["source"]))


def _joules(part: str, spent: Spent) -> float:
    return spent.parts[part].joules if part in spent.parts else 0.0


def _source(text: str) -> Source:
    """Return a source; of several the weakest, a model."""
    return Source(text) if text in [*Source] else Source.MODELLED
