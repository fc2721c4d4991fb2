"""A family: how one kind of model is asked, timed, counted and saved, bound to one dense model.

It knows the layout of its model and no way of compressing it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from objectives.measurement import JsonScalar
from objectives.size import WrittenAs
from optimizer.backends.backend import OnnxInputs
from optimizer.costs.costs import Cost
from optimizer.costs.request import Request
from optimizer.families.requests import Requests
from optimizer.manifest import LayerShape
from optimizer.spec import StudySpec
from search_spaces.transforms.transform import Dense
from search_spaces.transforms.units.evidence import Criterion


@dataclass(frozen=True, slots=True)
class Saved:
    """What a manifest says of a saved model's kind: its name, and the shapes of its layers where it names layers."""

    model_type: str
    layers: tuple[LayerShape, ...] = ()


class Family(Protocol):
    """One kind of model, bound to one dense model; `requests` say what it reads."""

    @property
    def requests(self) -> Requests:
        """Requests of texts or of images."""

    def dense(self, criterion: str | Criterion) -> Dense:
        """Return the dense model as transforms see it, and what they may look at."""

    def bare(self, model: nn.Module) -> nn.Module:
        """Return a model as its owner knows it: a network without what makes it answer like one of transformers."""

    def costs(self) -> dict[str, Cost]:
        """Return the costs of a config of the layout's units, known exactly: "parameters", "size", "flops"."""

    def latency(self, spec: StudySpec, cache_dir: Path) -> Cost:
        """Return the seconds of a request for such a config, from a table that is built where the cache has none."""

    @property
    def written_as(self) -> WrittenAs:
        """The type in which the file of a model holds a tensor."""

    def flops(self, model: nn.Module) -> float:
        """Return a model's FLOPs of one inference, mean over the search examples."""

    def request(self) -> Request:
        """Return a function that makes the requests for measuring latency, energy and memory."""

    def onnx_inputs(self) -> OnnxInputs:
        """Return the examples with which an ONNX graph of such a model is traced and checked."""

    def request_flops(self, model: nn.Module) -> float:
        """Return a model's FLOPs of one inference of such a request."""

    def tensors(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the tensors to write, by name, in the types of the file."""

    def save(self, model: nn.Module, place: Path) -> Saved:
        """Write the files that loading a smaller model needs in addition to weights and manifest."""

    def conditions(self) -> Mapping[str, JsonScalar]:
        """Return the conditions of such a request in addition to device, threads and batch."""
