"""Estimate: check a spec completely and predict a study's duration from a few timed batches. Nothing is stored."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict
from torch import nn

from objectives.energy.choose import choose_meter
from objectives.energy.windows import LOOK, WINDOW_S
from objectives.racing import CHUNK
from optimizer.costs.combined import TARGETS
from optimizer.costs.sensitivity import PASSES_PER_GROUP
from optimizer.engine import ALONE, Engine
from optimizer.evaluation.evaluate import FLOAT32
from optimizer.evaluation.halves import Halved, what_forbids
from optimizer.executors.workplace import workplace
from optimizer.families.encoders.load import check_workload
from optimizer.loaded import loaded, notes_of_choice
from optimizer.pipeline import Pipeline
from optimizer.predict import predict
from optimizer.recovery.halving import STUDENTS, learning, lengths, planned
from optimizer.recovery.students import MEAN_BUDGET
from optimizer.search.proposer import REFINE_SHARE
from optimizer.search.refine import SCREENED
from optimizer.selection.power import what_can_be_concluded
from optimizer.selection.shortlist import SIZE
from optimizer.spec import StudySpec
from optimizer.tasks.texts.examples import AnyExamples
from optimizer.workload import Workload
from search_spaces.blocks import blocks_of
from search_spaces.transforms.table import BITS

TIMED_EXAMPLES = 128
MEAN_COST = 0.5  # a candidate's evaluation time over the dense model's: models are smaller, and some are stopped early
BANK_PASSES = 6  # passes over the calibration examples for moments, ranking and solves, measured on small encoders
BACKWARD = 3  # a training step costs about three forward passes: one forward, two for the gradients
STEP = 0.2  # what a step of a lean student takes besides its arithmetic, in passes of the dense model
SPREAD = 2.0  # the true time is within this factor of the estimate


class Estimate(BaseModel):
    """The groups and examples of a study, and its expected seconds."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    examples: dict[str, int]
    groups: int
    seconds: float
    seconds_range: tuple[float, float]
    power: str
    notes: tuple[str, ...]

    def in_words(self) -> str:
        """Return the estimate as a few lines for a person."""
        examples = ", ".join(f"{role} {n}" for role, n in self.examples.items())
        low, high = (seconds / 60 for seconds in self.seconds_range)
        lines = [f"everything checked; {self.groups} groups to prune; examples: {examples}", self.power]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join([*lines, f"about {self.seconds / 60:.0f} minutes ({low:.0f} to {high:.0f})"])


def estimate(spec: StudySpec, *, cache_dir: Path, engine: Engine = ALONE) -> Estimate:
    """Check a spec, load its workload and time the dense model on a few examples. Raises `InputError`."""
    check_workload(spec)
    with workplace(engine, spec, cache_dir) as place:
        found = loaded(spec, cache_dir=cache_dir)
        spec, workload = found.spec, found.workload
        place.check(workload)
    together = place.record.get("workers", 1) if spec.threads else 1  # otherwise they share the threads of one process
    pipeline = Pipeline.of(spec, workload, cache_dir)
    few = workload.search.subset(
        np.linspace(0, len(workload.search) - 1, min(TIMED_EXAMPLES, len(workload.search)), dtype=int)
    )
    token_s = _token_s(workload.model, few, workload)
    halved = Halved(lambda model: model)(workload.model) if _is_halved(spec, workload) else None
    searched_token_s = _token_s(halved, few, workload) if halved else token_s
    tokens = {role: float(getattr(workload, role).lengths.sum()) for role in workload.examples_record}
    searching_s = _searching(spec, pipeline, tokens) / together * searched_token_s
    passes = (1 + SIZE * MEAN_COST) * tokens["verification"]
    if spec.recover != "none":
        passes += _recovering(spec, workload) * float(workload.train().lengths.sum())
    if not pipeline.trains:
        passes += BANK_PASSES * tokens["calibration"]
    seconds = (
        passes * token_s
        + _judging(pipeline, tokens) * searched_token_s
        + (searching_s if spec.timeout is None else min(searching_s, spec.timeout))
        + spec.measure_seconds * len(spec.batch_sizes) * (1 + len(spec.further_lengths))
        + _metering_s(workload)
    )
    return Estimate(
        examples={role: record["n"] for role, record in workload.examples_record.items()},
        groups=len(pipeline.groups),
        seconds=seconds,
        seconds_range=(seconds / SPREAD, seconds * SPREAD),
        power=what_can_be_concluded(len(workload.verification.labels), spec, workload.metric),
        notes=(
            *workload.notes,
            *notes_of_choice(found.choice),
            *([planned(spec.recover_epochs)] if spec.recover == "distill" else []),
        ),
    )


def _metering_s(workload: Workload) -> float:
    """Return the seconds of reading an energy counter for a full shortlist and the dense model; 0 without a counter."""
    return 0.0 if choose_meter(workload.device).meter is None else (1 + SIZE) * LOOK * WINDOW_S


def _token_s(model: nn.Module, few: AnyExamples, workload: Workload) -> float:
    predict(model, few, workload.task)
    started = time.perf_counter()
    predict(model, few, workload.task)
    return (time.perf_counter() - started) / float(few.lengths.sum())


def _is_halved(spec: StudySpec, workload: Workload) -> bool:
    return spec.search_precision != FLOAT32 and not what_forbids(workload, has_few_bits=BITS in spec.applied)


def _judging(pipeline: Pipeline, tokens: Mapping[str, float]) -> float:
    """Return the number of tokens or images that the sensitivities process."""
    if pipeline.trains:
        return 0.0
    combined = sum(len(block.groups) > 1 for block in blocks_of(pipeline.groups))
    passes = PASSES_PER_GROUP * len(pipeline.groups) + len(TARGETS) * combined
    return passes * _screening(pipeline.workload, tokens)


def _searching(spec: StudySpec, pipeline: Pipeline, tokens: Mapping[str, float]) -> float:
    """Return the number of tokens or images processed in the search; a training step counts as three forward passes."""
    if pipeline.trains:
        return spec.trials * (BACKWARD * pipeline.training.passes + tokens["search"])
    screened = SCREENED / REFINE_SHARE * _screening(pipeline.workload, tokens)
    return spec.trials * MEAN_COST * (tokens["search"] + screened)


def _recovering(spec: StudySpec, workload: Workload) -> float:
    """Return the passes of a dense model over the training examples that take as long as the recovery."""
    teacher = 1.0 if workload.teacher is None else workload.teacher.flops / workload.family.flops(workload.model)
    if spec.recover == "distill":
        rungs = zip(learning(STUDENTS), lengths(spec.recover_epochs), strict=True)
        return sum(epochs * (teacher + students * (MEAN_BUDGET * BACKWARD + STEP)) for students, epochs in rungs)
    return SIZE * spec.recover_epochs * (teacher + MEAN_COST * BACKWARD)


def _screening(workload: Workload, tokens: Mapping[str, float]) -> float:
    return tokens["search"] * min(1.0, CHUNK / len(workload.search))
