"""Inputs: what a model is called with, by name: shapes of one example, from which requests of any batch are made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from optimizer.costs.request import Request
from optimizer.errors import InputError, alternatives
from optimizer.tasks.images.examples import PIXELS

TYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "int64": torch.int64,
    "int32": torch.int32,
    "bool": torch.bool,
}
WRITTEN = re.compile(r"(?:(?P<name>[^=:]+)=)?(?P<shape>\d+(?:x\d+)*)(?::(?P<type>\w+))?")
TOKENS = "input_ids"
LARGEST = 10**9  # numbers of one example


@dataclass(frozen=True, slots=True)
class Input:
    """One tensor: its name, its shape without the batch, its type."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def words(self) -> str:
        """The input as it is written."""
        shape = "x".join(map(str, self.shape))
        return shape if self.dtype == "float32" else f"{shape}:{self.dtype}"

    def tensor(self, batch: int, generator: torch.Generator) -> Tensor:
        """Return a batch: normal noise, or ones where numbers name something, as those of tokens and masks do."""
        dtype = TYPES[self.dtype]
        if dtype.is_floating_point:
            return torch.randn(batch, *self.shape, generator=generator).to(dtype)
        return torch.ones(batch, *self.shape, dtype=dtype)


@dataclass(frozen=True, slots=True)
class Inputs:
    """All inputs of a model. `batches` are those that it takes, None: any."""

    tensors: tuple[Input, ...]
    batches: tuple[int, ...] | None = None

    @property
    def words(self) -> str:
        """The inputs as they are written."""
        return ", ".join(f"{each.name}={each.words}" for each in self.tensors)

    @property
    def length(self) -> int | None:
        """How many tokens a text has, None where no input has tokens alone."""
        return next((each.shape[0] for each in self.tensors if each.name == TOKENS and len(each.shape) == 1), None)

    @property
    def shapes(self) -> tuple[tuple[tuple[int, ...], str], ...]:
        """What two models must share to be compared."""
        return tuple(sorted((each.shape, each.dtype) for each in self.tensors))

    def request(self) -> Request:
        """Return a function that makes a batch; times depend on shapes alone."""

        def make(batch: int) -> dict[str, Tensor]:
            generator = torch.Generator().manual_seed(0)
            return {each.name: each.tensor(batch, generator) for each in self.tensors}

        return make


def image(shape: tuple[int, ...]) -> Inputs:
    """Return the inputs of a network of images."""
    return Inputs((Input(PIXELS, shape),))


def text(names: Sequence[str], length: int) -> Inputs:
    """Return the inputs of a model of texts: so many tokens of each."""
    return Inputs(tuple(Input(name, (length,), "int64") for name in names))


def written_inputs(texts: Sequence[str]) -> Inputs | None:
    """Return inputs as a user writes them: 3x224x224, or NAME=SHAPE:TYPE several times. Raises `InputError`."""
    found = [_written(each) for each in texts]
    names = [each.name for each in found]
    if len(set(names)) < len(names):
        raise InputError("input", "names an input twice; give each once, as NAME=SHAPE:TYPE")
    return Inputs(tuple(found)) if found else None


def _written(given: str) -> Input:
    match = WRITTEN.fullmatch(given)
    if match is None:
        raise InputError("input", f"{given!r} must be a shape without the batch, such as 3x224x224 or ids=128:int64")
    shape = tuple(map(int, match["shape"].split("x")))
    if 0 in shape or torch.Size(shape).numel() > LARGEST:
        raise InputError("input", f"{given!r} must have between 1 and {LARGEST:,} numbers")
    dtype = match["type"] or "float32"
    if dtype not in TYPES:
        raise InputError("input", f"{given!r}: the type must be {alternatives([*TYPES])}")
    return Input(match["name"] or PIXELS, shape, dtype)
