"""Backend: what runs a model. Part of the conditions of every latency, energy and memory figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from optimizer.backends.names import TORCH


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxInputs:
    """Requests of different sizes: a graph is traced with the first and checked on the others.

    `free` names the first dimensions of every input, which are dynamic in the graph. `calibration` gives batches of
    examples from which integers in networks of convolutions get their scales.
    """

    requests: Sequence[dict[str, Tensor]]
    free: tuple[str, ...]
    calibration: Callable[[], Iterable[Mapping[str, Tensor]]] | None = None


class Backend(Protocol):
    """One way of running the models of one study: the dense one, and those that compression makes of it.

    `name` is what users call it, and what `run_conditions` of a model that it runs has under "backend".
    """

    name: str

    def runs(self, model: nn.Module) -> nn.Module:
        """Return the model as this backend runs it, called as the model is and answering with `logits`.

        `model` is a torch module in evaluation mode; it is not changed. `objectives.latency.run_conditions` says of
        the result what a figure holds for. Raises `InputError`, field "backend", for a model that it cannot run.
        """


@runtime_checkable
class OneByOne(Protocol):
    """A model that may answer the rows of a batch one by one, because answers depend on what else is in a batch."""

    one_by_one: bool

    def in_batches(self) -> nn.Module:
        """Return the model that answers a batch at once, its padding included."""


@runtime_checkable
class Graph(Protocol):
    """A model that is a graph, whose memory torch does not see."""

    def save(self, path: Path) -> Path:
        """Write it to one file; return its path."""


def in_batches(model: nn.Module) -> nn.Module | None:
    """Return a model that answers one by one as one that answers a batch at once; None for any other model."""
    return model.in_batches() if isinstance(model, OneByOne) and model.one_by_one else None


def runner_of(model: nn.Module) -> str:
    """Return the name of the backend that runs a model: torch, unless the model's own conditions say another."""
    return str(getattr(model, "conditions", {}).get("backend", TORCH))
