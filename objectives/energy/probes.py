"""Probes: works whose energy differs in what it goes for, so that a meter can tell the constants of a profile.

Some compute out of the nearest cache, some read weights from a farther level, some do next to nothing but run; the last
ones are pieces of real models, which do all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from objectives.device import synchronise
from objectives.energy.computed import FLOAT32, Computed
from objectives.energy.profiles import Profile
from objectives.energy.traffic import count_computed
from objectives.rounds import Run

BFLOAT16 = "bfloat16"
PRODUCTS = {"cpu": (128, 1024), "cuda": (1024, 8192)}  # rows of square matrices: out of a near cache, and larger
FEW, MANY = 200, 4  # operators of one run: of those that take no time, and of those that stream
BEYOND = 2.5  # times the last cache: as good as nothing of it is still there


@dataclass(frozen=True, slots=True)
class Probe:
    """A run that finishes its work before it returns, and what it computes."""

    run: Run
    computed: Computed


@torch.inference_mode()
def probes(device: torch.device, profile: Profile) -> dict[str, Probe]:
    """Return the probes of a device whose caches are as large as `profile` says; they take up to 5 times the last."""
    near, far = profile.sizes
    small, large = PRODUCTS.get(device.type, PRODUCTS["cpu"])
    random = partial(torch.randn, generator=torch.Generator().manual_seed(0))

    def square(rows: int, dtype: torch.dtype = torch.float32) -> Callable[[], object]:
        one, other = (random(rows, rows).to(device, dtype) for _ in range(2))
        return lambda: one @ other

    def stream(size: float) -> Callable[[], object]:
        one, other, out = (random(max(1, int(size / 12))).to(device) for _ in range(3))
        return lambda: [torch.add(one, other, out=out) for _ in range(MANY)]

    def weights(size: float) -> Tensor:
        rows = max(64, int((size / 4) ** 0.5))
        return random(rows, rows).to(device)

    def read(matrix: Tensor, examples: int) -> Callable[[], object]:
        columns = random(len(matrix), examples).to(device)
        return lambda: matrix @ columns

    distant = weights(BEYOND * far)
    works: Mapping[str, Callable[[], object]] = {
        "products of small matrices": square(small),
        "products of large matrices": square(large),
        "products of large matrices in bfloat16": square(large, torch.bfloat16),
        "sums out of the near cache": stream(near / 2),
        "sums out of the far cache": stream((near * far) ** 0.5),
        "sums out of memory": stream(BEYOND * far),
        "weights of the far cache, one example": read(weights((near * far) ** 0.5), 1),
        "weights of memory, one example": read(distant, 1),
        "weights of memory, 16 examples": read(distant, 16),
        "operators that do next to nothing": _idle(torch.ones(1, device=device)),
        "attention": _attention(random(8, 12, 128, 32).to(device)),
        "neurons": _neurons(random(128, 384).to(device), random(1536, 384).to(device)),
        "convolution": partial(F.conv2d, random(4, 64, 28, 28).to(device), random(64, 64, 3, 3).to(device), padding=1),
    }
    return {name: _probe(work, device, BFLOAT16 if BFLOAT16 in name else FLOAT32) for name, work in works.items()}


def _probe(work: Callable[[], object], device: torch.device, precision: str) -> Probe:
    @torch.inference_mode()
    def run() -> None:
        work()
        synchronise(device)

    return Probe(run, count_computed(run, precision))


def _idle(one: Tensor) -> Callable[[], object]:
    return lambda: [torch.add(one, one, out=one) for _ in range(FEW)]


def _attention(states: Tensor) -> Callable[[], object]:
    """Return attention of as many examples and heads as `(examples, heads, tokens, channels)` states."""
    return lambda: torch.softmax(states @ states.transpose(-1, -2), dim=-1) @ states


def _neurons(states: Tensor, weight: Tensor) -> Callable[[], object]:
    return lambda: F.gelu(states @ weight.T) @ weight
