"""A source: one form in which people save models. It recognises places by names, and opens a model to be measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from objectives.networks import UncountableModelError, count_network_flops
from objectives.size import count_parameters
from optimizer.analysis.costs import Measured
from optimizer.analysis.facts import Facts
from optimizer.analysis.inputs import Inputs
from optimizer.errors import InputError

CPU = torch.device("cpu")
LENGTH = 128  # tokens of a text


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a user says of models that say too little: their inputs, tokens of a text, who builds their modules."""

    inputs: Inputs | None = None
    length: int = LENGTH
    build: Callable[[], nn.Module] | None = None
    device: torch.device = CPU


@dataclass(slots=True, kw_only=True)
class Loaded:
    """An opened model, in evaluation mode, with its inputs and what is counted of it.

    `example_bytes` are what a pass over one example holds besides the weights, once that was counted.
    """

    measured: Measured
    parameters: int
    inputs: Inputs
    example_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A model to measure, not opened yet. `name` is its own among all models of an analysis.

    `stamp` changes when its files do, whose bytes are `size`. `parent` is the name or the place of the unpruned model,
    where it is told; `metric` is what the user knows of its quality.
    """

    name: str
    place: str
    source: str
    facts: Facts
    load: Callable[[], Loaded]
    stamp: str = ""
    size: int = 0
    parent: str | None = None
    metric: Mapping[str, float] = field(default_factory=dict)


class Source(Protocol):
    """One form. `takes` looks at names alone; `load` raises `InputError` for what is not what it seems."""

    name: str

    def takes(self, place: Path) -> bool:
        """Whether a file or a directory is such a model."""

    def load(self, place: Path, described: Described) -> Loaded:
        """Return the opened model. No code of the place is run, and nothing is unpickled but tensors."""


def of_module(model: nn.Module, inputs: Inputs, described: Described) -> Loaded:
    """Return a torch module as it is measured, tried on one example. Raises `InputError` where it does not take it."""
    model = model.to(described.device).eval()
    example = {name: tensor.to(described.device) for name, tensor in inputs.request()(1).items()}
    try:
        flops = count_network_flops(model, example)
    except UncountableModelError as error:
        raise InputError("model", str(error)) from error
    except Exception as error:  # foreign forward code may raise anything
        raise InputError(
            "model", f"does not run on {inputs.words} ({type(error).__name__}: {error}); describe its inputs as `input`"
        ) from error
    return Loaded(measured=Measured(model, flops), parameters=count_parameters(model), inputs=inputs)


class OneInput(nn.Module):
    """A network of one tensor, called by its input's name."""

    def __init__(self, net: nn.Module, name: str) -> None:
        super().__init__()
        self.net, self._name = net, name

    def forward(self, **inputs: Tensor) -> object:
        """Return what the network answers."""
        return self.net(inputs[self._name])


def undescribed(place: Path) -> InputError:
    """Return the error of a model whose inputs are not known."""
    return InputError(
        "input", f"nobody says what {place.name} takes; give a shape without the batch, such as 3x224x224"
    )
