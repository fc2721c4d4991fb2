"""Objective: a cost of the caller's own, measured on every model that the search builds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import nn

from objectives.guard import measuring
from objectives.measurement import Measurement, Source
from optimizer.own import QUANTITY


@runtime_checkable
class Objective(Protocol):
    """A cost of a model, lower is better; every function of a model is one. `name` and `unit` attributes are optional.

    It is called with the dense model and with every candidate's, in evaluation mode and without gradients: one of
    transformers, or the network itself. Blocks without any unit left are other modules, without weights. It must be
    deterministic, and above 0 for the dense model: the search compares ratios to it.
    """

    def __call__(self, model: nn.Module) -> float:
        """Return the cost, finite and at least 0, of a model that stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnObjective:
    """An objective under the name by which a study stores it."""

    name: str
    unit: str
    cost: Objective

    def measured(self, model: nn.Module) -> Measurement:
        """Return a model's cost. Raises `ValueError` for one that is no finite number of at least 0."""
        with measuring(model):
            given: Any = self.cost(model)
        try:
            value = float(given)
        except (TypeError, ValueError):
            raise ValueError(f"{self.name} must return a number, got {given!r:.80}") from None
        if not 0 <= value < float("inf"):
            raise ValueError(f"{self.name} must return a finite number of at least 0, got {value}")
        return Measurement(quantity=QUANTITY + self.name, value=value, unit=self.unit, source=Source.MEASURED)
