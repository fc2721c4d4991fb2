"""A family: how to prune, rebuild, cost and run one kind of model, bound to one dense model.

The rest of a study is the same for all kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from objectives.measurement import JsonScalar, Measurement
from optimizer.costs import Cost
from optimizer.handover.onnx import OnnxInputs
from optimizer.request import Request
from optimizer.spec import CriterionName, StudySpec
from search_spaces.config import Config
from search_spaces.groups import Group


@dataclass(frozen=True, slots=True)
class Execution:
    """A model in the form in which it runs, and the name of its kernels where there was a choice."""

    model: nn.Module
    conditions: Mapping[str, JsonScalar]


class Bank(Protocol):
    """Results that are computed once per dense model and reused, on disk below `folder`."""

    @property
    def folder(self) -> Path:
        """The directory of the bank."""


class UnitBank(Bank, Protocol):
    """Rankings and reconstructed weights."""

    def fill_rankings(self, progress: Callable[[int, int], None] = ...) -> None:
        """Rank the units of every group."""

    def fill_levels(self, levels: Mapping[str, int]) -> None:
        """Solve the weights that a config with these counts, by group name, needs."""


class Family(Protocol):
    """One kind of model, bound to one dense model."""

    def groups(self) -> tuple[Group, ...]:
        """Return the groups that can be pruned, first layer first."""

    def bank(self, groups: Sequence[Group], criterion: CriterionName, root: Path) -> Bank:
        """Return the layer bank of the model, the criterion and the calibration examples."""

    def materialize(self, groups: Sequence[Group], config: Config, bank: Bank, *, share_weights: bool) -> nn.Module:
        """Return the smaller model of a config; `share_weights`: it shares untouched layers with the dense model."""

    def outline(self, groups: Sequence[Group], config: Config) -> nn.Module:
        """Return a model with a config's shapes, before its weights are assigned."""

    def costs(self, groups: Sequence[Group]) -> dict[str, Cost]:
        """Return the costs known exactly before a model is built: "parameters", "size" and, where known, "flops"."""

    def with_proposed_costs(
        self,
        costs: Mapping[str, Cost],
        spec: StudySpec,
        *,
        groups: tuple[Group, ...],
        cache_dir: Path,
    ) -> dict[str, Cost]:
        """Return the costs with "latency" and "energy" added where the spec's objectives or limits ask for them."""

    def flops(self, model: nn.Module) -> float:
        """Return a model's FLOPs of one inference, mean over the search examples."""

    def sizes(self, model: nn.Module) -> tuple[Measurement, ...]:
        """Return the "parameters" and the "size" of a model."""

    def execution(self, model: nn.Module, spec: StudySpec) -> Execution:
        """Return a model in the form in which it runs fastest on this device."""

    def request(self) -> Request:
        """Return a function that makes the requests for measuring latency, energy and memory."""

    def onnx_inputs(self) -> OnnxInputs:
        """Return the examples with which an ONNX graph of such a model is traced and checked."""

    def request_flops(self, model: nn.Module) -> float:
        """Return a model's FLOPs of one inference of such a request."""

    def tensors(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the tensors to write, by name, in the types of the file."""

    def save(self, place: Path) -> str:
        """Write the files that loading needs in addition to weights and manifest; return the kind's name."""

    def conditions(self) -> dict[str, JsonScalar]:
        """Return the conditions of such a request in addition to device, threads and batch."""
