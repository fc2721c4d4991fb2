"""A config: one point of the search space, the level of every group and the form of its weights. No torch here.

Of masked weights it also holds the recipe by which the network is trained under its masks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from hashlib import sha256
from itertools import chain
from typing import Self

from pydantic_core import from_json

Levels = tuple[tuple[str, int], ...]  # (group name, level) pairs
PLAIN = 2  # entries in the JSON of a config that has its levels and their form, and nothing more


class Form(StrEnum):
    """How the kept units of a group become weights."""

    RECONSTRUCTED = "reconstructed"  # the consumer is solved again by least squares
    SLICED = "sliced"  # the dense weights of the kept units, nothing else changed
    FINETUNED = "finetuned"  # reconstructed, then trained: a recovered model
    MASKED = "masked"  # the shapes stay; what is not kept is zero, under a recipe


_FORMS: dict[str, Form] = {form.value: form for form in Form}


class ConfigError(ValueError):
    """A config that no model of this search space can take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How masks are made: when they are set, how the counts are spread over the layers, how much is swapped.

    `schedule` and `scope` are names of `search_spaces.transforms.masks`; `swap_share` is of the kept units after each
    epoch, None where the schedule swaps nothing.
    """

    schedule: str
    scope: str
    swap_share: float | None = None

    def in_words(self) -> str:
        """Return the recipe as a person reads it."""
        swapped = "" if self.swap_share is None else f", {self.swap_share:.0%} swapped"
        return f"{self.schedule}, {self.scope}{swapped}"


@dataclass(frozen=True, slots=True)
class Config:
    """The level of every group.

    `kept` are (group name, level) pairs of a study's first transform in the order of its groups; a level of units is
    how many are kept, 0 removes the block. `more` holds such pairs of every further transform, by its name.
    Two configs are equal, and hash alike, when they have the same levels in the same form by the same recipe, if any.
    """

    kept: Levels
    form: Form = Form.RECONSTRUCTED
    recipe: Recipe | None = None
    more: tuple[tuple[str, Levels], ...] = ()

    def __post_init__(self) -> None:
        pairs = self._pairs
        levels = dict(pairs)
        if len(levels) != len(pairs):
            raise ConfigError(f"a config names every group once, got {[name for name, _ in pairs]}")
        if min(levels.values(), default=0) < 0:
            name, level = next(pair for pair in pairs if pair[1] < 0)
            raise ConfigError(f"group {name!r} cannot keep {level} units")

    @classmethod
    def of(cls, kept: Mapping[str, int], form: Form = Form.RECONSTRUCTED) -> Self:
        """Build a config from a mapping of group name to units kept."""
        return cls(_levels(kept), form)

    @classmethod
    def from_json(cls, text: str, order: Sequence[str] = ()) -> Self:
        """Read what `canonical_json` wrote, the groups in an `order` if one is given.

        Raises `ConfigError` on anything else.
        """
        try:
            data = from_json(text)  # half of a long study's loading would be `json`'s
            if len(data) == PLAIN:
                return cls(_levels(data["kept"], order), _FORMS[data["form"]])
            recipe = Recipe(**data["recipe"]) if "recipe" in data else None
            more = [(name, _levels(levels, order)) for name, levels in data.get("more", {}).items()]
            if order:
                more.sort(key=lambda one: order.index(one[1][0][0]))
            return cls(_levels(data["kept"], order), Form(data["form"]), recipe, tuple(more))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"not a config: {text[:80]!r} ({error})") from error

    def canonical_json(self) -> str:
        """Return the one JSON text of this config: groups in name order, no spaces, nothing of what it has not."""
        recipe = {} if self.recipe is None else {"recipe": asdict(self.recipe)}
        more = {"more": self.transforms} if self.more else {}
        data = {"form": self.form.value, "kept": dict(self.kept), **recipe, **more}
        return json.dumps(data, sort_keys=True, separators=(",", ":"))

    def as_dict(self) -> dict[str, int]:
        """Return group name → level of the first transform's groups, in their order."""
        return dict(self.kept)

    @property
    def levels(self) -> dict[str, int]:
        """Group name → level, of the groups of all transforms in their order."""
        return dict(self._pairs)

    @property
    def transforms(self) -> dict[str, dict[str, int]]:
        """Group name → level by the names of the further transforms."""
        return {name: dict(levels) for name, levels in self.more}

    def part(self, transform: str) -> Config:
        """Return what concerns one further transform, or the first one, whose name is empty here."""
        return replace(self, kept=dict(self.more)[transform] if transform else self.kept, more=())

    def in_form(self, form: Form) -> Config:
        """Return the same counts in another form."""
        return replace(self, form=form)

    def replaced(self, changes: Mapping[str, int]) -> Config:
        """Return this config with the levels of some groups changed, of whichever transform."""

        def changed(levels: Levels) -> Levels:
            return tuple((name, changes.get(name, level)) for name, level in levels)

        return replace(self, kept=changed(self.kept), more=tuple((name, changed(each)) for name, each in self.more))

    @property
    def _pairs(self) -> Levels:
        return (*self.kept, *chain.from_iterable(levels for _, levels in self.more)) if self.more else self.kept

    @property
    def digest(self) -> str:
        """The first 16 hex digits of the SHA-256 of the canonical JSON."""
        return sha256(self.canonical_json().encode()).hexdigest()[:16]


def _levels(kept: Mapping[str, int], order: Sequence[str] = ()) -> Levels:
    if len(order) == len(kept):  # of no further transform
        return tuple(zip(order, map(int, map(kept.__getitem__, order)), strict=True))
    names = [name for name in order if name in kept] if order else kept
    if len(names) != len(kept):
        raise ConfigError(f"an order names every group, got {list(order)}")
    return tuple(zip(names, map(int, map(kept.__getitem__, names)), strict=True))
