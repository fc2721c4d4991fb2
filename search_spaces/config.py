"""A config: one point of the search space, how many units of every group are kept and in which form. No torch here.

Of masked weights it also holds the recipe by which the network is trained under its masks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Self


class Form(StrEnum):
    """How the kept units of a group become weights."""

    RECONSTRUCTED = "reconstructed"  # the consumer is solved again by least squares
    SLICED = "sliced"  # the dense weights of the kept units, nothing else changed
    FINETUNED = "finetuned"  # reconstructed, then trained: a recovered model
    MASKED = "masked"  # the shapes stay; what is not kept is zero, under a recipe


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
    """How many units of every group are kept.

    `kept` is a tuple of (group name, units kept) pairs in the order of the groups; level 0 removes the block.
    Two configs are equal, and hash alike, when they keep the same counts in the same form by the same recipe, if any.
    """

    kept: tuple[tuple[str, int], ...]
    form: Form = Form.RECONSTRUCTED
    recipe: Recipe | None = None

    def __post_init__(self) -> None:
        names = [name for name, _ in self.kept]
        if len(set(names)) != len(names):
            raise ConfigError(f"a config names every group once, got {names}")
        for name, count in self.kept:
            if count < 0:
                raise ConfigError(f"group {name!r} cannot keep {count} units")

    @classmethod
    def of(cls, kept: Mapping[str, int], form: Form = Form.RECONSTRUCTED) -> Self:
        """Build a config from a mapping of group name to units kept."""
        return cls(tuple((name, int(count)) for name, count in kept.items()), form)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `canonical_json` wrote. Raises `ConfigError` on anything else."""
        try:
            data = json.loads(text)
            recipe = Recipe(**data["recipe"]) if "recipe" in data else None
            return replace(cls.of(data["kept"], Form(data["form"])), recipe=recipe)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"not a config: {text[:80]!r} ({error})") from error

    def canonical_json(self) -> str:
        """Return the one JSON text of this config: groups in name order, no spaces, a recipe where there is one."""
        recipe = {} if self.recipe is None else {"recipe": asdict(self.recipe)}
        data = {"form": self.form.value, "kept": dict(self.kept), **recipe}
        return json.dumps(data, sort_keys=True, separators=(",", ":"))

    def as_dict(self) -> dict[str, int]:
        """Return group name → units kept, in the order of the groups."""
        return dict(self.kept)

    def in_form(self, form: Form) -> Config:
        """Return the same counts in another form."""
        return replace(self, form=form)

    def replaced(self, changes: Mapping[str, int]) -> Config:
        """Return this config with the counts of some groups changed."""
        return replace(self, kept=tuple((name, changes.get(name, count)) for name, count in self.kept))

    @property
    def digest(self) -> str:
        """The first 16 hex digits of the SHA-256 of the canonical JSON."""
        return sha256(self.canonical_json().encode()).hexdigest()[:16]
