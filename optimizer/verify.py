"""Verify: run each shortlisted member once on the verification examples, and measure the costs of all members."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from objectives.measurement import Conditions, Interval, Measurement, Source
from objectives.metrics import Metric
from objectives.statistics import DropScore, MeanDrop, bootstrap_drop, paired_drop_interval, score_drop
from optimizer.backends.backend import in_batches, runner_of
from optimizer.backends.names import BACKEND, BATCH, CHANGED, TORCH
from optimizer.backends.running import Backends
from optimizer.fronts.verdicts import drop_uppers, pack_predictions
from optimizer.measuring.execution import Execution
from optimizer.measuring.measure import measure_in_study, noise_in
from optimizer.measuring.timing import DENSE, LATENCY_RATIO, REFERENCE, Run
from optimizer.pipeline import Pipeline
from optimizer.predict import predict
from optimizer.progress import Report
from optimizer.selection.certification import stored_list
from optimizer.spec import StudySpec
from optimizer.tasks.table import KINDS
from optimizer.views.latencies import LENGTH
from optimizer.workload import Workload
from search_spaces.layouts.surgery import share_structure
from search_spaces.resident import trim_memory
from studies.records import Candidate, Study, Verification
from studies.store import StudyStore

Build = Callable[[Candidate], nn.Module]
LEVEL = 0.95  # of a member's own interval


@dataclass(frozen=True)
class Verifier:
    """Verifies and measures the shortlist of one study. Stored results are reused."""

    study: Study
    store: StudyStore
    spec: StudySpec
    pipeline: Pipeline
    build: Build
    backends: Backends

    @property
    def workload(self) -> Workload:
        """What the study works on."""
        return self.pipeline.workload

    def verify(self, shortlist: Sequence[Candidate], report: Report) -> None:
        """Run every unverified member on the verification examples."""
        waiting = [candidate for candidate in shortlist if candidate.verification is None]
        if not waiting:
            return
        dense = self._dense_predictions
        listed = stored_list(self.store.study(str(self.study.id)))
        level = listed.interval_level if listed else LEVEL
        for done, candidate in enumerate(waiting, start=1):
            answering = self.backends.answering(self.build(candidate))
            predictions = self._predictions(answering)
            score = self._score(dense, predictions)
            verification = self._compare(dense, predictions, score, level=level, shortlist_size=len(shortlist))
            if score is not None and listed is not None:
                self.store.add_measurements(candidate.id, drop_uppers(score, listed, verification.n))
            self.store.add_measurements(candidate.id, self._further(dense, predictions))
            self.store.add_measurements(candidate.id, self._in_batches(answering, predictions))
            self.store.verify_candidate(candidate.id, verification)
            report(done, len(waiting))
            trim_memory()
        self._add_to_baseline([self._dense_quality(dense)])

    def alone(self, model: nn.Module) -> Verification:
        """Return the verification of a model that is no candidate, with an interval of its own at 95 %."""
        dense, predictions = self._dense_predictions, self._predictions(self.backends.answering(model))
        score = self._score(dense, predictions)
        return self._compare(dense, predictions, score, level=LEVEL, shortlist_size=1)

    @cached_property
    def _dense_predictions(self) -> NDArray[Any]:
        return self._predictions(self.workload.model)

    def measure(self, shortlist: Sequence[Candidate], report: Report) -> list[str]:
        """Measure latency, energy, memory and size of all members and the dense model in the same rounds.

        Returns what disturbed the timing, in words.
        """
        if all(any(m.quantity == LATENCY_RATIO for m in candidate.measurements) for candidate in shortlist):
            return []
        extracted: dict[Hashable, nn.Module] = {c.id: self.build(c) for c in shortlist}
        executed = {key: self.pipeline.execution(model, self.spec) for key, model in extracted.items()}
        taken = measure_in_study(
            self._runs(extracted, executed),
            self.spec,
            self.workload.family,
            built=extracted,
            sizes=self.pipeline.sizes,
            progress=report,
        )
        for candidate in shortlist:
            conditions = executed[candidate.id].conditions
            measured = tuple(_under(each, conditions) for each in taken[candidate.id])
            self.store.add_measurements(candidate.id, measured)
        self._add_to_baseline(taken[DENSE])
        return noise_in(taken)

    def _runs(
        self, extracted: Mapping[Hashable, nn.Module], executed: Mapping[Hashable, Execution]
    ) -> dict[Run, nn.Module]:
        """Return every member and the dense model in every backend; torch runs a member in its fastest form."""
        # a copy, as every candidate is: Python accesses the attributes of a fresh copy slightly faster
        runs = {REFERENCE: share_structure(self.workload.model)}
        runs |= {Run(DENSE, name): model for name, model in self.backends.dense_runs().items()}
        for key, model in extracted.items():
            in_each = self.backends.runs(model).items()
            runs |= {Run(key, name): executed[key].model if name == TORCH else run for name, run in in_each}
        return runs

    def _predictions(self, model: nn.Module) -> NDArray[Any]:
        task, examples = self.workload.task, self.workload.verification
        return task.predictions(predict(model, examples, task), examples)

    def _in_batches(self, model: nn.Module, predictions: NDArray[Any]) -> list[Measurement]:
        """Return the share of predictions that change in padded batches, nothing where batches do not matter."""
        batched = in_batches(model)
        if batched is None or predictions.dtype.kind == "f":
            return []
        task, examples = self.workload.task, self.workload.verification
        answers = predict(batched, examples, task, batch_size=BATCH, order=np.arange(len(examples)))
        changed = task.predictions(answers, examples) != predictions
        return [
            Measurement(
                quantity=CHANGED,
                value=float(changed.reshape(len(changed), -1).any(axis=1).mean()),
                unit="1",
                source=Source.MEASURED,
                n=len(predictions),
                conditions={"batch": BATCH, BACKEND: runner_of(model)},
            )
        ]

    def _compare(
        self,
        dense: NDArray[np.generic],
        predictions: NDArray[np.generic],
        score: DropScore | MeanDrop | None,
        *,
        level: float,
        shortlist_size: int,
    ) -> Verification:
        metric, labels = self.workload.metric, self.workload.verification.labels
        quality = metric.value(predictions, labels)
        lost, gained = _changes(metric, dense, predictions, labels)
        return Verification(
            examples=self.workload.verification.hash,
            n=len(labels),
            metric=quality,
            drop=_drop(metric, dense, predictions, labels, lost=lost, gained=gained),
            interval=self._interval(dense, predictions, score, level=level, lost=lost, gained=gained),
            lost=lost,
            gained=gained,
            predictions=pack_predictions(labels, dense, predictions),
            shortlist_size=shortlist_size,
        )

    def _score(self, dense: NDArray[np.generic], predictions: NDArray[np.generic]) -> DropScore | MeanDrop | None:
        return score_drop(self.workload.metric, self.workload.verification.labels, dense, predictions)

    def _interval(
        self,
        dense: NDArray[np.generic],
        predictions: NDArray[np.generic],
        score: DropScore | MeanDrop | None,
        *,
        level: float,
        lost: int | None,
        gained: int | None,
    ) -> Interval:
        labels = self.workload.verification.labels
        if score is not None:
            return score.interval(level)
        if lost is not None and gained is not None:
            return paired_drop_interval(lost, gained, len(labels), level)
        return bootstrap_drop(self.workload.metric, dense, predictions, labels, seed=self.spec.seed).interval_at(level)

    def _further(self, dense: NDArray[np.generic], predictions: NDArray[np.generic]) -> Sequence[Measurement]:
        kind, labels = KINDS[self.workload.metric.kind], self.workload.verification.labels
        return kind.measured(self.workload.task, labels, dense, predictions)

    def _dense_quality(self, dense: NDArray[np.generic]) -> Measurement:
        metric, labels = self.workload.metric, self.workload.verification.labels
        return Measurement(
            quantity=f"verification_{metric.name}",
            value=metric.value(dense, labels),
            unit="1",
            source=Source.MEASURED,
            n=len(labels),
        )

    def _add_to_baseline(self, measurements: Sequence[Measurement]) -> None:
        """Add measurements of the dense model, in place of earlier ones of the same quantity and request."""
        taken = {_what(measurement) for measurement in measurements}
        kept = [each for each in self.store.study(str(self.study.id)).baseline if _what(each) not in taken]
        self.store.update_study(self.study.id, baseline=[*kept, *measurements])


def _what(measurement: Measurement) -> tuple[object, ...]:
    return measurement.quantity, *map(measurement.conditions.get, ("batch", "backend", LENGTH))


def _under(measurement: Measurement, conditions: Conditions) -> Measurement:
    """Add the run's conditions to a measurement."""
    if measurement.quantity in ("parameters", "size"):
        return measurement
    return replace(measurement, conditions={**measurement.conditions, **conditions})


def _changes(
    metric: Metric, dense: NDArray[np.generic], predictions: NDArray[np.generic], labels: NDArray[np.generic]
) -> tuple[int | None, int | None]:
    """Return how many examples the candidate lost and gained; None unless the metric is a mean of 0/1 scores."""
    before, after = metric.per_example(dense, labels), metric.per_example(predictions, labels)
    if before is None or after is None:
        return None, None
    return int((before > after).sum()), int((after > before).sum())


def _drop(
    metric: Metric,
    dense: NDArray[np.generic],
    predictions: NDArray[np.generic],
    labels: NDArray[np.generic],
    *,
    lost: int | None,
    gained: int | None,
) -> float:
    if lost is not None and gained is not None:
        return (lost - gained) / len(labels)
    return metric.value(dense, labels) - metric.value(predictions, labels)
