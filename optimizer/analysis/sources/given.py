"""Models that Python code gives: modules with what they are called with."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from torch import Tensor, nn

from optimizer.analysis.facts import facts_of
from optimizer.analysis.inputs import TYPES, Input, Inputs, written_inputs
from optimizer.analysis.sources.source import Described, Entry, Loaded, OneInput, of_module
from optimizer.errors import InputError, a_kind
from optimizer.tasks.images.examples import PIXELS

NAME = "module"
NAMES = {dtype: name for name, dtype in TYPES.items()}


def entry_of(name: str, model: nn.Module, described: Described, *, is_unpruned: bool = False) -> Entry:
    """Return a module as it is measured. It is asked by its inputs' names, or by the only one as it is."""

    def load() -> Loaded:
        if described.inputs is None:
            raise InputError("inputs", f"nobody says what {name} takes; give a shape without the batch, or an example")
        alone = len(described.inputs.tensors) == 1 and described.inputs.tensors[0].name == PIXELS
        called = OneInput(model, PIXELS) if alone and not hasattr(model, "config") else model
        return of_module(called, described.inputs, described)

    facts = facts_of(name)
    return Entry(
        name=name,
        place=name,
        source=NAME,
        facts=facts.model_copy(update={"is_unpruned": True}) if is_unpruned else facts,
        load=load,
        stamp=uuid4().hex,  # a module may have changed since
    )


def given_inputs(inputs: object) -> Inputs | None:
    """Return inputs as code gives them: text, a shape, an example or examples by name, the first dimension the batch.

    Raises `InputError` for anything else.
    """
    match inputs:
        case None | Inputs():
            return inputs
        case str():
            return written_inputs([inputs])
        case Tensor():
            return Inputs((_of_example(PIXELS, inputs),))
        case Mapping() if inputs and all(isinstance(each, Tensor) for each in inputs.values()):
            return Inputs(tuple(_of_example(str(name), each) for name, each in inputs.items()))
        case tuple() | list() if inputs and all(isinstance(each, int) and each > 0 for each in inputs):
            return Inputs((Input(PIXELS, tuple(inputs)),))
    raise InputError(
        "inputs", f"must be a shape such as (3, 224, 224), a tensor, or tensors by name, not {a_kind(inputs)}"
    )


def _of_example(name: str, tensor: Tensor) -> Input:
    if tensor.dtype not in NAMES or tensor.ndim < 1:
        raise InputError(
            "inputs", f"{name} is of {tensor.dtype} and {tensor.ndim} dimensions, which cannot be made here"
        )
    return Input(name, tuple(tensor.shape[1:]), NAMES[tensor.dtype])
