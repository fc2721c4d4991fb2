"""Proved: the groups without some of whose channels a network computes what it must, at widths that are proposed."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from search_spaces.groups import Group
from search_spaces.layouts.layout import Layout, Link
from search_spaces.layouts.traced.inputs import Inputs, doubled
from search_spaces.layouts.traced.redrawn import redrawn
from search_spaces.layouts.traced.reference import DisprovedError, prove

_Draw = Callable[[Group, torch.Generator], int]


def largest_proved(model: nn.Module, whole: Layout, example_inputs: Inputs) -> Layout:
    """Return the layout of the groups that hold together.

    Groups alike hold or fail alike. Those inside a module that fails are left out; if the others hold, only the first
    group of each kind left out is tried alone, else the first one of every kind. What holds alone is then tried
    together, and where that fails, one by one.
    """
    tries = _Tries(redrawn(model), whole, example_inputs)
    rest, holds = tries.without_suspects()
    settled = {tries.kinds[name] for name in rest} if holds else set()
    alone = settled | {kind for kind, first in tries.first.items() if kind not in settled and tries.holds_alone(first)}
    names = [name for name, kind in tries.kinds.items() if kind in alone]
    if names == rest or tries.failure(names) is None:
        return whole.only(names)
    kept = rest if holds else []
    for name in names:
        kept += [name] if name not in kept and tries.failure([*kept, name]) is None else []
    return whole.only(kept)


class _Tries:
    """Smaller networks, compared with what they must compute."""

    def __init__(self, model: nn.Module, whole: Layout, example_inputs: Inputs) -> None:
        self._model, self._whole, self._inputs = model, whole, example_inputs
        self.kinds = {name: _kind(links) for name, links in whole.links.items()}
        self.first = {kind: name for name, kind in reversed(self.kinds.items())}

    def failure(self, names: Sequence[str], draws: Sequence[_Draw] = ()) -> str | None:
        """Return the last module that started where a network fails, "" where it differs, None where all hold."""
        space = self._whole.only(names)
        try:
            for draw in draws or (_least, _any):
                self._prove(space, _drawn(space, draw))
        except DisprovedError as error:
            return error.path
        return None

    def _prove(self, space: Layout, kept: Mapping[str, Tensor]) -> None:
        """Prove in the network's own type, and in float64 where rounding may be all that differs."""
        try:
            prove(self._model, space, kept, self._inputs)
        except DisprovedError as error:
            if error.path:
                raise
            prove(self._precise, space, kept, doubled(self._inputs))

    @cached_property
    def _precise(self) -> nn.Module:
        return copy.deepcopy(self._model).double()

    def holds_alone(self, name: str) -> bool:
        """Whether a network without units of this group alone computes what it must."""
        return self.failure([name], [_least]) is None

    def without_suspects(self) -> tuple[list[str], bool]:
        """Return the groups without those inside modules that fail, and whether they hold."""
        names = [*self._whole.links]
        while (place := self.failure(names)) is not None:
            if not (suspected := self._suspected(names, place)):
                return names, False
            names = [name for name in names if self.kinds[name] not in suspected]
        return names, True

    def _suspected(self, names: Sequence[str], place: str) -> set[object]:
        """Return the kinds of the groups inside the innermost module around `place` that has whole groups inside."""
        while place := place.rpartition(".")[0]:
            if inside := {self.kinds[name] for name in names if self._is_inside(name, f"{place}.")}:
                return inside
        return set()

    def _is_inside(self, name: str, module: str) -> bool:
        return all(link.path.startswith(module) for link in self._whole.links[name])


def _kind(links: Sequence[Link]) -> object:
    """Return what groups alike have in common: numbers in paths count repeated blocks."""
    return tuple((re.sub(r"\d+", "*", link.path), link.axis, len(link.entries)) for link in links)


def _drawn(space: Layout, draw: _Draw) -> dict[str, Tensor]:
    """Return random units to keep by group, as many as `draw` says; equal for equal spaces."""
    generator = torch.Generator().manual_seed(0)
    kept = {}
    for group in space.groups:
        level = draw(group, generator)
        kept[group.name] = torch.randperm(group.units, generator=generator)[:level].sort().values
    return kept


def _least(group: Group, _: torch.Generator) -> int:
    """Return the least level, of a group that has but one half of its units."""
    return group.levels[0] if len(group.levels) > 1 else (group.units + 1) // 2


def _any(group: Group, generator: torch.Generator) -> int:
    """Return any of its levels, so that coupled groups have unequal widths."""
    return group.levels[int(torch.randint(len(group.levels), (), generator=generator))]
