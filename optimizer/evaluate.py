"""Evaluate: one config's answers to the search's questions, the cheapest question first.

Costs by the tables, limits, the divergence of the model's answers on a few examples, then the metric by racing
against the dense model: a candidate that cannot come back under ε is stopped. A candidate that fails is a result.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from objectives.divergence import divergence
from objectives.measurement import Measurement, Source
from objectives.metrics import Metric
from objectives.racing import Race, race_order
from objectives.statistics import bootstrap_drop, paired_drop_interval
from optimizer.search.space import Space
from optimizer.trim import trim_memory
from optimizer.workloads.examples import Examples
from optimizer.workloads.predict import predict, predictions_of
from search_spaces.config import Config
from studies.records import CandidateState, Outcome

UNITS = {"flops": "FLOP", "parameters": "1", "size": "B", "latency": "s", "energy": "J"}
SOURCES = {"latency": Source.TABLE, "energy": Source.MODELLED}


@dataclass(frozen=True)
class DenseAnswers:
    """The dense model's answers that every candidate is compared with, computed once."""

    search_logits: NDArray[np.float32]  # `(n, classes)`
    screening: Examples  # a few search examples for divergences, their labels unread
    screening_logits: NDArray[np.float32]


class Evaluator:
    """Evaluates configs of one study. Models come from `build`, which returns a new smaller model for a config."""

    def __init__(
        self,
        *,
        space: Space,
        build: Callable[[Config], nn.Module],
        examples: Examples,
        dense: DenseAnswers,
        metric: Metric,
        epsilon: float,
        seed: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._space, self._build, self._examples, self._dense = space, build, examples, dense
        self._metric, self._epsilon, self._seed, self._clock = metric, epsilon, seed, clock
        self._dense_predictions = predictions_of(dense.search_logits)
        self._dense_scores = metric.per_example(self._dense_predictions, examples.labels)
        self._order = race_order(len(examples.labels), examples.lengths, seed=seed, labels=examples.labels)
        self._divergences: dict[Config, float] = {}

    @property
    def dense_value(self) -> float:
        """The dense model's metric on the search examples."""
        return self._metric.value(self._dense_predictions, self._examples.labels)

    def divergence_of(self, config: Config) -> float:
        """Return the divergence of the config's answers on the screening examples; each config is asked once."""
        if config not in self._divergences:
            self._divergences[config] = self._divergence(self._build(config))
        return self._divergences[config]

    def evaluate(self, config: Config) -> Outcome:
        """Return the outcome of a config."""
        started = self._clock()
        costs = self._costs(config)
        if not self._space.within_limits(config):
            return Outcome(state=CandidateState.STOPPED, measurements=costs, reason="over a limit on its costs")
        try:
            outcome = self.evaluate_model(self._build(config), config, costs=costs)
        except ValueError as error:  # answers that are no numbers: the model is broken, not the program
            outcome = Outcome(state=CandidateState.FAILED, measurements=costs, reason=str(error))
        trim_memory()
        return replace(outcome, seconds=self._clock() - started)

    def evaluate_model(
        self, model: nn.Module, config: Config, *, costs: tuple[Measurement, ...] | None = None
    ) -> Outcome:
        """Return the outcome of a model that stands for `config`. Raises `ValueError` on non-finite answers."""
        costs = self._costs(config) if costs is None else costs
        if config not in self._divergences:
            self._divergences[config] = self._divergence(model)
        known = (*costs, _divergence_measurement(self._divergences[config], len(self._dense.screening.labels)))
        if self._dense_scores is None:
            return self._whole(model, known)
        return self._raced(model, known, self._dense_scores)

    def _divergence(self, model: nn.Module) -> float:
        return divergence(self._dense.screening_logits, predict(model, self._dense.screening))

    def _costs(self, config: Config) -> tuple[Measurement, ...]:
        return tuple(
            Measurement(
                quantity=name, value=cost.total(config), unit=UNITS[name], source=SOURCES.get(name, Source.COUNTED)
            )
            for name, cost in self._space.costs.items()
        )

    def _raced(self, model: nn.Module, known: tuple[Measurement, ...], dense_scores: NDArray[np.float64]) -> Outcome:
        labels, n = self._examples.labels, len(self._examples.labels)
        race = Race(n, self._epsilon, gainable=int(n - dense_scores.sum()))
        for chunk in self._order:
            predictions = predictions_of(predict(model, self._examples.subset(chunk)))
            race.update(dense_scores[chunk], _scores(self._metric, predictions, labels[chunk]))
            if race.is_stopped:
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
            measurements=(*accuracy, drop, *known),
            reason=None if whole else race.reason,
        )

    def _whole(self, model: nn.Module, known: tuple[Measurement, ...]) -> Outcome:
        """Evaluate on all examples at once: the metric is no mean over examples, so there is nothing to race."""
        labels = self._examples.labels
        predictions = predictions_of(predict(model, self._examples))
        value = self._metric.value(predictions, labels)
        bounds = bootstrap_drop(self._metric, self._dense_predictions, predictions, labels, seed=self._seed)
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
            measurements=(self._value(value, len(labels)), drop, *known),
        )

    def _value(self, value: float, n: int) -> Measurement:
        return Measurement(quantity=self._metric.name, value=value, unit="1", source=Source.MEASURED, n=n)


def _divergence_measurement(value: float, n: int) -> Measurement:
    return Measurement(quantity="divergence", value=value, unit="nat", source=Source.MEASURED, n=n)


def _scores(metric: Metric, predictions: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float64]:
    """Return the per-example scores of a metric that has them. Raises `ValueError` for one that has not."""
    scores = metric.per_example(predictions, labels)
    if scores is None:
        raise ValueError(f"{metric.name} is no mean of per-example scores")
    return scores
