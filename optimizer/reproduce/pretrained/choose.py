"""Choosing on the search images: how many bits are zeroed, how many weights are pruned, and the rank of every layer.

A setting holds while the network, compressed by it alone and not trained, answers right at most `tolerance` fewer
images than the dense one, as a share of all of them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from torch import nn

from objectives.statistics.exact import allowed_losses
from optimizer.reproduce.claims import Frozen
from optimizer.reproduce.pretrained.form import Form, Splits, strongest
from optimizer.tasks.images.data import Images
from optimizer.tasks.images.scores import predictions
from search_spaces.files import written_whole
from search_spaces.transforms.bits.mantissa import MOST, largest

STEP = 0.01  # of all weights, as published


class Chosen(Frozen):
    """A setting; `curve` has the accuracies on the search images along the way."""

    bits: int = 0
    rate: float = 0.0
    ranks: Mapping[str, int] = {}
    curve: tuple[float, ...] = ()


Found = TypeVar("Found", bound=Frozen)


@dataclass(frozen=True, slots=True)
class Judge:
    """The search images, and how many of them a network must answer right."""

    images: Images
    needed: int

    @classmethod
    def of(cls, dense: nn.Module, images: Images, tolerance: float) -> Judge:
        """Return the judge by the dense network's answers."""
        right = cls(images, 0).right(dense)
        return cls(images, right - allowed_losses(len(images), tolerance))

    def right(self, model: nn.Module) -> int:
        """Return how many images a network answers right."""
        return int((predictions(model, self.images) == self.images.labels).sum())


def choose_bits(dense: nn.Module, judge: Judge) -> Chosen:
    """Return the largest number of bits by bisection, with the accuracies of 0 to 31 zeroed bits."""

    @cache
    def right(bits: int) -> int:
        model = copy.deepcopy(dense)
        Form(bits=bits).impose(model)
        return judge.right(model)

    bits = largest(lambda count: right(count) >= judge.needed)
    return Chosen(bits=bits, curve=tuple(right(count) / len(judge.images) for count in range(MOST + 1)))


def choose_rate(dense: nn.Module, judge: Judge) -> Chosen:
    """Return the last pruning step before the first that loses too much, with the accuracies of all of them."""
    curve = [judge.right(dense)]
    for steps in range(1, round(1 / STEP)):
        model = copy.deepcopy(dense)
        Form(kept=strongest(dense, steps * STEP)).impose(model)
        curve.append(judge.right(model))
        if curve[-1] < judge.needed:
            break
    passed = len(curve) - 2 if curve[-1] < judge.needed else len(curve) - 1
    return Chosen(rate=round(passed * STEP, 2), curve=tuple(right / len(judge.images) for right in curve))


def choose_ranks(splits: Splits, judge: Judge, *, steps: int | None) -> Chosen:
    """Return per layer the smallest rank that holds with that layer alone lowered, by bisection.

    Ranks are tried in so many `steps` of the full one, None: all of them. A layer of which none holds stays whole.
    """
    return Chosen(ranks=splits.pay(dict(_smallest(splits, judge, steps))))


def raised(splits: Splits, ranks: Mapping[str, int]) -> dict[str, int]:
    """Return ranks of which the half that is lowest, as a share of the full rank, is doubled, up to where it saves."""
    order = sorted(ranks, key=lambda path: ranks[path] / splits.full_rank(path))
    lowest = order[: math.ceil(len(order) / 2)]
    return splits.pay({**ranks, **{path: 2 * ranks[path] for path in lowest}})


def kept(place: Path, kind: type[Found], choose: Callable[[], Found]) -> Found:
    """Return what an earlier run has chosen and left at `place`, else choose and leave it there."""
    if place.exists():
        return kind.model_validate_json(place.read_text(encoding="utf-8"))
    found = choose()
    with written_whole(place) as temporary:
        temporary.write_text(found.model_dump_json(), encoding="utf-8")
    return found


def _smallest(splits: Splits, judge: Judge, steps: int | None) -> Iterator[tuple[str, int]]:
    for path in splits.shapes:
        full = splits.full_rank(path)
        even = {math.ceil(full * step / (steps or full)) for step in range(1, (steps or full) + 1)}
        levels = [*sorted(rank for rank in even if splits.pay({path: rank})), full]

        def holds(removed: int, path: str = path, levels: list[int] = levels) -> bool:
            return judge.right(splits.lowered({path: levels[-1 - removed]})) >= judge.needed

        yield path, levels[-1 - largest(holds, len(levels) - 1)]
