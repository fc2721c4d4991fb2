"""torch.compile: a model runs as TorchInductor's code, made once for each shape of a request before anything is timed.

One compilation per shape, not one for shapes that are left open: of a MiniLM of six layers it took 12 s of processor
time for a shape, and 50 s for open ones, since a batch of 1 is compiled apart all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from objectives.guard import measuring
from objectives.measurement import JsonScalar
from optimizer.backends.names import BACKEND, COMPILED
from optimizer.errors import InputError
from search_spaces.layouts.requests import Inputs

TOLERATED = 1e-4  # difference of answers from torch's, as a share of one more than the largest
MAKER = "inductor"  # torch's name of what makes the code
PLACE = re.compile(r'File "(.+)", line (\d+), in .+\n\s+(.+)')


@dataclass(frozen=True, slots=True)
class Timed:
    """The requests that will be timed, one of every shape, and on how many CPU threads; None for as many as now."""

    requests: Callable[[], Sequence[Inputs]]
    threads: int | None = None


Make = Callable[[nn.Module, Timed], nn.Module]


class ForShapes:
    """`Backend` of what is made of torch's modules for every shape that will be timed, on the device that they are on.

    `make` compares its answers with torch's.
    """

    def __init__(self, name: str, make: Make, dense: nn.Module, timed: Timed) -> None:
        self.name, self._make, self._dense, self._timed = name, make, dense, timed

    def runs(self, model: nn.Module) -> nn.Module:
        """Return what is made of the model; of the dense one it is kept."""
        return self._made_of_dense if model is self._dense else self._make(model, self._timed)

    @cached_property
    def _made_of_dense(self) -> nn.Module:
        return self._make(self._dense, self._timed)


class CompiledModel(nn.Module):
    """A model with the code that was made for some requests; a request of another shape raises, as does another mode.

    `conditions` say what its figures hold for.
    """

    def __init__(self, model: nn.Module, shapes: int) -> None:
        super().__init__()
        self.model = model
        dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
        self.conditions: dict[str, JsonScalar] = {BACKEND: COMPILED, "dtype": dtype, "compiler": MAKER}
        self._run = torch.compile(  # type: ignore[call-overload]  # torch's overloads lack the last two
            _entry(model), backend=MAKER, fullgraph=True, dynamic=False, isolate_recompiles=True, recompile_limit=shapes
        )

    def forward(self, **inputs: Tensor) -> Any:  # Any: what the model answers
        """Return the model's answer."""
        return self._run(**inputs)


def compiled(model: nn.Module, timed: Timed) -> CompiledModel:
    """Return a model that is compiled for all requests, whole: no part of it runs in torch's own operators.

    Raises `InputError`, field "backend", where torch cannot compile it or the code answers otherwise.
    """
    with measuring(model, threads=timed.threads):
        requests = timed.requests()
        made = CompiledModel(model, len(requests))
        for request in requests:
            try:
                answer = made(**request)
            except Exception as error:  # the compiler may raise anything
                raise InputError("backend", f"torch.compile does not take this model: {_why(error)}") from error
            check_answer("torch.compile", answer, model(**request))
    return made


def check_answer(whose: str, answer: object, wanted: object) -> None:
    """Raise `InputError`, field "backend", for an answer that is not torch's."""
    apart = _apart(answer, wanted)
    if not apart <= TOLERATED:
        raise InputError("backend", f"{whose}'s answers differ from torch's by {apart:.1%}; use torch")


def _entry(model: nn.Module) -> Callable[..., Any]:
    """Return a function that calls the model.

    Its code object is its own: torch keeps what it compiles with the code, among the entries of all models of a class,
    of which it takes 256 in the life of a process and looks through one by one.
    """

    def run(**inputs: Tensor) -> Any:
        return model(**inputs)

    run.__code__ = run.__code__.replace()
    return run


def _apart(answer: object, wanted: object) -> float:
    """Return the largest difference between two answers, as a share of one more than the largest number wanted."""
    pairs = zip(_tensors(answer), _tensors(wanted), strict=True)
    return max((float((a - b).abs().max() / (1 + b.abs().max())) for a, b in pairs), default=0.0)


def _tensors(answer: object) -> list[Tensor]:
    leaves = (each for each in tree_leaves(answer) if isinstance(each, Tensor))
    return [each.float() for each in leaves if each.numel()]


def _why(error: Exception) -> str:
    """Return the first line of what the compiler says, and the code that it does not take."""
    said, _, stack = str(error).partition("from user code:")
    first, places = said.strip().split("\n")[0] or type(error).__name__, PLACE.findall(stack)
    return first if not places else "{}, at `{}` ({}:{})".format(first, *(places[-1][at] for at in (2, 0, 1)))
