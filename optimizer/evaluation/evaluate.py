"""Evaluate one config in stages, cheapest first.

The stages are: costs from the tables, limits, the divergence of the model's answers on a few examples, and the metric
by racing against the dense model. A candidate whose drop can no longer fall within ε is stopped, and so is one that a
rival rules out. A failed candidate is recorded as a result.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from objectives.measurement import Conditions, Measurement, Source
from objectives.metrics import Metric
from objectives.racing import Race, race_order
from objectives.statistics import bootstrap_drop, paired_drop_interval
from optimizer.backends.backend import runner_of
from optimizer.backends.names import TORCH
from optimizer.backends.running import conditions_of_answers
from optimizer.evaluation.prefixes import Prefixes
from optimizer.evaluation.rivals import Rival, Rivals, ruled_out_by
from optimizer.faults import is_out_of_memory, out_of_memory
from optimizer.predict import predict
from optimizer.search.space import SearchSpace
from optimizer.spec import PrecisionName
from optimizer.tasks.task import Task
from optimizer.tasks.texts.examples import AnyExamples
from optimizer.workload import Workload
from search_spaces.config import Config
from search_spaces.groups import Group
from search_spaces.resident import trim_memory
from studies.records import Candidate, CandidateState, Outcome

UNITS = {
    "flops": "FLOP",
    "bit_operations": "bitop",
    "parameters": "1",
    "size": "B",
    "latency": "s",
    "energy": "J",
    "memory": "bytes",
}
FLOAT32: PrecisionName = "float32"
AHEAD = 3  # parts of the order that are answered at once: sorted by length together they have half of the padding
PROPOSED = {"latency": Source.TABLE, "energy": Source.MODELLED, "memory": Source.MODELLED}
"""The costs that are measured at the end, by how they are known before."""


Answering = Callable[[nn.Module], nn.Module]


@dataclass(frozen=True)
class DenseAnswers:
    """The search examples in the order in which every candidate sees them, with the dense model's answers.

    The first part of the order, the screening examples, also gives the divergence, which needs no labels: a
    candidate's answers there are computed once and used for both. Divergences are taken on search examples because a
    model's answers are saturated on texts that it was trained on: allocating by the divergence on calibration
    examples costs a third more divergence on unseen texts at the same FLOPs.
    """

    examples: AnyExamples
    answers: NDArray[np.float32]  # `(n, …)`
    order: Sequence[NDArray[np.intp]]
    task: Task
    model: nn.Module
    groups: Sequence[Group]
    answering: Answering = lambda model: model
    precision: PrecisionName = FLOAT32  # of what candidates compute in; the dense model's answers are of float32

    @classmethod
    def on(
        cls, workload: Workload, groups: Sequence[Group], answering: Answering = lambda model: model
    ) -> DenseAnswers:
        """Return the answers with their order, which is the same for every study of these examples.

        `answering` returns a candidate's model as what gives its answers.
        """
        examples = workload.search
        strata = examples.labels if examples.labels.shape == (len(examples),) else None
        order = race_order(len(examples), examples.lengths, seed=0, labels=strata)
        return cls(examples, workload.search_answers, order, workload.task, workload.model, groups, answering)

    @cached_property
    def predictions(self) -> NDArray[Any]:
        """The dense model's predictions on all examples."""
        return self.task.predictions(self.answers, self.examples)

    @cached_property
    def screening(self) -> AnyExamples:
        """The examples that divergences are taken on."""
        return self.examples.subset(self.order[0])

    def divergence_of(self, answers: NDArray[np.float32]) -> float:
        """Return the divergence of answers on the screening examples. Raises `ValueError` for NaN or infinity."""
        return self.task.divergence(self.answers[self.order[0]], answers)

    def screened(self, model: nn.Module, config: Config) -> NDArray[np.float32]:
        """Return the answers on the screening examples of the model that `config` describes, as what answers for it."""
        if runner_of(model) != TORCH:
            return self.answers_of(model, self.screening)
        return self._prefixes.answers(model, config)

    @cached_property
    def _prefixes(self) -> Prefixes:
        return Prefixes(self.model, self.groups, self.screening, self.task)

    def answers_of(self, model: nn.Module, examples: AnyExamples) -> NDArray[np.float32]:
        """Return a model's answers on some of the examples."""
        return predict(model, examples, self.task)


Counted = Callable[[Config, nn.Module], tuple[Measurement, ...]]


class Evaluator:
    """Evaluates configs of one study. `build` returns a new smaller model for a config.

    `counted` adds costs that are known only once the model is built. `costs` are the quantities by which a candidate is
    compared with its rivals; without them each is measured until its drop is certain.
    """

    def __init__(
        self,
        *,
        space: SearchSpace,
        build: Callable[[Config], nn.Module],
        dense: DenseAnswers,
        epsilon: float,
        seed: int,
        counted: Counted = lambda _config, _model: (),
        costs: Collection[str] = (),
    ) -> None:
        self._space, self._build, self._dense, self.counted = space, build, dense, counted
        self._task, self._metric = dense.task, dense.task.metric
        self._epsilon, self._seed = epsilon, seed
        self.rivals = Rivals(tuple(sorted(costs)), epsilon)
        self._labels = dense.examples.labels
        self._dense_scores = self._metric.per_example(dense.predictions, self._labels)
        self._screened: dict[Config, NDArray[np.float32]] = {}  # answers on the screening examples

    @property
    def dense_value(self) -> float:
        """The dense model's metric on the search examples."""
        return self._metric.value(self._dense.predictions, self._labels)

    def divergence_of(self, config: Config) -> float:
        """Return the divergence of the config's answers on the screening examples; each config is run once."""
        if config not in self._screened:
            self._screened[config] = self._dense.screened(self._dense.answering(self._build(config)), config)
        return self._dense.divergence_of(self._screened[config])

    def divergences_of(self, configs: Sequence[Config]) -> tuple[float, ...]:
        """Return the divergences of several configs; infinite where the answers are NaN or infinite."""
        return tuple(map(self._divergence_or_infinity, configs))

    def _divergence_or_infinity(self, config: Config) -> float:
        try:
            return self.divergence_of(config)
        except ValueError:
            return math.inf

    def evaluate(self, config: Config, rivals: Sequence[Rival] = ()) -> Outcome:
        """Return the outcome of a config, stopped early where one of the `rivals` rules it out."""
        started = time.monotonic()
        costs = self._costs(config)
        if not self._space.within_limits(config):
            return Outcome(state=CandidateState.STOPPED, measurements=costs, reason="over a limit on its costs")
        try:
            model = self._build(config)
            answering = self._dense.answering(model)
            if config not in self._screened:
                self._screened[config] = self._dense.screened(answering, config)
            measured = (*costs, *self.counted(config, model))
            outcome = self._outcome(answering, self._screened[config], measured, rivals=rivals)
        except ValueError as error:  # NaN or infinite answers: this candidate fails, the study continues
            outcome = Outcome(state=CandidateState.FAILED, measurements=costs, reason=str(error))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            outcome = Outcome(state=CandidateState.FAILED, measurements=costs, reason=out_of_memory(error))
        trim_memory()
        return replace(outcome, seconds=time.monotonic() - started)

    def evaluate_model(self, model: nn.Module, config: Config) -> Outcome:
        """Return the outcome of `config` evaluated on its model. Raises `ValueError` for NaN or infinite answers.

        Models of one config may differ: in training they change from one call to the next.
        """
        answering = self._dense.answering(model)
        screened = self._dense.answers_of(answering, self._dense.screening)
        return self._outcome(answering, screened, (*self._costs(config), *self.counted(config, model)))

    def _outcome(
        self,
        model: nn.Module,
        screened: NDArray[np.float32],
        costs: tuple[Measurement, ...],
        *,
        rivals: Sequence[Rival] = (),
    ) -> Outcome:
        """Return the outcome by the answers of what runs a model; its drop says which backend that is."""
        measured = (*costs, self._divergence(screened))
        if self._dense_scores is None:
            return _answered(self._whole(model, measured), model, self._dense.precision)
        rival = self.rivals.first(measured, rivals)
        raced = self._raced(self._answers(model, screened), measured, self._dense_scores, rival=rival)
        return _answered(raced, model, self._dense.precision)

    def rival(self, measured: Sequence[Measurement], known: Sequence[Candidate]) -> int | None:
        """Return the number of the first of the `known` candidates that rules out one with these measurements."""
        return self.rivals.first(measured, self.rivals.among(known))

    def costs_of(self, config: Config) -> tuple[Measurement, ...]:
        """Return all costs of a config, without evaluating it."""
        return (*self._costs(config), *self.counted(config, self._build(config)))

    def _answers(
        self, model: nn.Module, screened: NDArray[np.float32]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[Any]]]:
        """Yield the parts of the order with the model's predictions on them, the screening examples first."""
        first, *others = self._dense.order
        yield first, self._task.predictions(screened, self._dense.screening)
        for parts in (others[start : start + AHEAD] for start in range(0, len(others), AHEAD)):
            some = self._dense.examples.subset(np.concatenate(parts))
            predictions = self._task.predictions(self._dense.answers_of(model, some), some)
            yield from zip(parts, np.split(predictions, np.cumsum([*map(len, parts)])[:-1]), strict=True)

    def _costs(self, config: Config) -> tuple[Measurement, ...]:
        return tuple(
            Measurement(
                quantity=name, value=cost.total(config), unit=UNITS[name], source=PROPOSED.get(name, Source.COUNTED)
            )
            for name, cost in self._space.costs.items()
        )

    def _raced(
        self,
        answers: Iterator[tuple[NDArray[np.intp], NDArray[Any]]],
        measured: tuple[Measurement, ...],
        dense_scores: NDArray[np.float64],
        *,
        rival: int | None,
    ) -> Outcome:
        n = len(self._labels)
        race = Race(n, self._epsilon, gainable=int(n - dense_scores.sum()))
        for part, predictions in answers:
            race.update(dense_scores[part], _scores(self._metric, predictions, self._labels[part]))
            if race.is_stopped or rival is not None:
                break
        whole = race.seen == n
        interval = paired_drop_interval(race.lost, race.gained, race.seen)
        drop = Measurement(
            quantity="drop", value=race.drop, unit="1", source=Source.MEASURED, n=race.seen, interval=interval
        )
        accuracy = (self._value(self.dense_value - race.drop, n),) if whole else ()
        return Outcome(
            state=CandidateState.COMPLETE if whole else CandidateState.STOPPED,
            drop=race.drop,
            seen=race.seen,
            lost=race.lost,
            gained=race.gained,
            measurements=(*accuracy, drop, *measured),
            reason=race.reason if whole or rival is None else race.reason or ruled_out_by(rival),
        )

    def _whole(self, model: nn.Module, measured: tuple[Measurement, ...]) -> Outcome:
        """Evaluate on all examples at once: the metric is not a mean over examples and cannot be raced."""
        labels = self._labels
        examples = self._dense.examples
        predictions = self._task.predictions(self._dense.answers_of(model, examples), examples)
        value = self._metric.value(predictions, labels)
        bounds = bootstrap_drop(self._metric, self._dense.predictions, predictions, labels, seed=self._seed)
        drop = Measurement(
            quantity="drop",
            value=self.dense_value - value,
            unit="1",
            source=Source.MEASURED,
            n=len(labels),
            interval=bounds.interval,
        )
        return Outcome(
            state=CandidateState.COMPLETE,
            drop=drop.value,
            seen=len(labels),
            measurements=(self._value(value, len(labels)), drop, *measured),
        )

    def _divergence(self, screened: NDArray[np.float32]) -> Measurement:
        value, unit = self._dense.divergence_of(screened), self._task.divergence_unit
        return Measurement(quantity="divergence", value=value, unit=unit, source=Source.MEASURED, n=len(screened))

    def _value(self, value: float, n: int) -> Measurement:
        return Measurement(quantity=self._metric.name, value=value, unit="1", source=Source.MEASURED, n=n)


def flops_measurement(value: float) -> Measurement:
    """Return FLOPs per inference, counted on the model itself."""
    return Measurement(quantity="flops", value=value, unit=UNITS["flops"], source=Source.COUNTED)


def _answered(outcome: Outcome, model: nn.Module, precision: PrecisionName) -> Outcome:
    """Return an outcome whose drop says what answered, where another runtime or precision would answer otherwise."""
    told = conditions_of_answers(model)
    if precision != FLOAT32:
        told |= {"precision": precision}
    return outcome if not told else replace(outcome, measurements=tuple(_told(m, told) for m in outcome.measurements))


def _told(measurement: Measurement, told: Conditions) -> Measurement:
    if measurement.quantity != "drop":
        return measurement
    return replace(measurement, conditions={**measurement.conditions, **told})


def _scores(metric: Metric, predictions: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float64]:
    """Return the per-example scores of a metric. Raises `ValueError` for a metric without per-example scores."""
    scores = metric.per_example(predictions, labels)
    if scores is None:
        raise ValueError(f"{metric.name} is not a mean of per-example scores")
    return scores
