"""What a paper claims and where, the quantities that it claims it of, and what counts as agreement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Self

from pydantic import BaseModel, ConfigDict

ROUNDING = 1e-12  # so that a whole tolerance in floats is still one


class Frozen(BaseModel):
    """What is parsed once and never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Claim(Frozen):
    """A metric of the configurations that `configurations` name or match (`*_SET`, `*`), its bounds, and its place.

    Qualities and changes are fractions, changes relative to the dense model, those of accuracy in points as a fraction.
    """

    configurations: tuple[str, ...]
    metric: str
    at_least: float | None = None
    at_most: float | None = None
    where: str

    def is_about(self, label: str) -> bool:
        """Return whether a configuration is meant."""
        return any(fnmatchcase(label, pattern) for pattern in self.configurations)

    def holds(self, value: float) -> bool:
        """Return whether a value is within the bounds, of which either may be open."""
        is_low = self.at_least is not None and value < self.at_least
        return not is_low and (self.at_most is None or value <= self.at_most)


class Published(Claim):
    """A value, or a bound where the text gives only that, of every configuration that it may be of."""

    datasets: tuple[str, ...]
    models: tuple[str, ...]
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Quantity:
    """Its words, and how a value is written. Within `near` of a published value, or `share` of it, ours agrees.

    A quantity without either is shown and not judged.
    """

    words: str
    show: Callable[[float], str]
    near: float = 0.0
    share: float = 0.0

    @classmethod
    def scaled(cls, words: str, scale: float, text: str, *, near: float = 0.0, share: float = 0.0) -> Self:
        """Return a quantity whose values are multiplied by `scale` and written by the format `text`."""
        return cls(words, lambda value: text.format(scale * value), near, share)

    @property
    def is_judged(self) -> bool:
        """Whether agreement is defined."""
        return bool(self.near or self.share)

    def agrees(self, claim: Published, value: float) -> bool:
        """Return whether a value is near the published one, or within the published bounds where no value is."""
        if claim.value is None:
            return claim.holds(value)
        return abs(value - claim.value) <= max(self.near, self.share * abs(claim.value)) + ROUNDING

    def claimed(self, claim: Claim) -> str:
        """Return a published value, or its bounds, as people write them."""
        value = claim.value if isinstance(claim, Published) else None
        given = (("", value), ("at least ", claim.at_least), ("at most ", claim.at_most))
        return " and ".join(f"{word}{self.show(bound)}" for word, bound in given if bound is not None)
