"""Distributions that a user gives: for a ratio of the whole, what every layer loses or keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_validator

from optimizer.errors import InputError
from optimizer.fields.bounds import AsWritten, AtMost, Name
from optimizer.fields.fields import Frozen
from search_spaces.config import Config, ConfigError, Form
from search_spaces.groups import Group, config_of
from search_spaces.lists import EVERY, Entries, kept_of, widths_of

MOST, MOST_LISTS = 1000, 100  # configs and layers; lists of a study, and ratios of a list
WIDEST = 2**31
NAMES = "distributions"  # of a study's context: the digest of a config -> the names of its distributions
Part = Annotated[float, Field(gt=0, lt=1), AsWritten()]


def _shares(given: Any) -> Any:  # Any: JSON data
    return _checked(given, "shares", lambda each: 0 <= each < 1, "a share in [0, 1), such as 0.5")


def _widths(given: Any) -> Any:  # Any: JSON data
    return _checked(given, "widths", lambda each: 1 <= each < WIDEST and each % 1 == 0, "a whole number of at least 1")


def _checked(given: Any, what: str, holds: Any, wanted: str) -> dict[str, Any]:  # Any: JSON data, a test of a number
    """Return a list as one of all groups, and a table as it is. Raises `ValueError` naming the first wrong number."""
    entries = given if isinstance(given, Mapping) else {EVERY: given}
    for key, value in entries.items():
        values = value if isinstance(value, list | tuple) else [value]
        if not values or len(values) > MOST:
            raise ValueError(f"{key}: from 1 to {MOST} {what}, not {len(values)}")
        for each in values:
            is_number = isinstance(each, int | float) and not isinstance(each, bool)
            if not is_number or not holds(each):
                raise ValueError(f"{key}: must be {wanted}, not {each!r:.80}")
    if not entries or len(entries) > MOST:
        raise ValueError(f"names from 1 to {MOST} layers, not {len(entries)}")
    return dict(entries)


Shares = Annotated[
    dict[Name, float | tuple[float, ...]],
    BeforeValidator(_shares, json_schema_input_type=dict[str, float | list[float]] | list[float]),
]
Widths = Annotated[
    dict[Name, int | tuple[int, ...]],
    BeforeValidator(_widths, json_schema_input_type=dict[str, int | list[int]] | list[int]),
]


class Written(NamedTuple):
    """One config as it was written down, by the name under which it is shown."""

    name: str
    entries: Entries
    are_widths: bool

    def config(self, groups: Sequence[Group], form: Form) -> Config:
        """Return the config of these groups whose levels are nearest. Raises `InputError` for lists that do not fit."""
        own = [group for group in groups if not group.under]
        try:
            kept = (widths_of if self.are_widths else kept_of)(self.entries, own)
        except ConfigError as error:
            raise InputError("distributions", f"{self.name}: {error}") from error
        config = config_of(groups, {**{group.name: group.units for group in groups}, **kept}, form)
        if all(config.levels[group.name] == group.units for group in groups):
            raise InputError("distributions", f"{self.name}: leaves every layer as it is; remove more of one")
        return config


class Distribution(Frozen):
    """What every layer loses (`removed`, shares) or keeps (`kept`, widths) at a `ratio` of the whole that is removed.

    Keys are layers, groups, or kinds of groups such as channels; a list alone is of all groups in their order. Layers
    that are not named stay as they are. With `scaled_to`, the shares are multiplied by each of its ratios / `ratio`.
    """

    name: Name
    ratio: Part
    removed: Shares | None = None
    kept: Widths | None = None
    scaled_to: Annotated[tuple[Part, ...], AtMost(MOST_LISTS)] = ()

    @model_validator(mode="after")
    def _is_one_list(self) -> Self:
        if (self.removed is None) == (self.kept is None):
            raise ValueError("give either `removed` or `kept`")
        if self.scaled_to and self.removed is None:
            raise ValueError("`scaled_to` scales `removed`; widths stand for one ratio")
        if len({*self.scaled_to}) != len(self.scaled_to):
            raise ValueError("`scaled_to` names each ratio once")
        largest = max(self.ratios)
        for key, value in (self.removed or {}).items():
            most = (value if isinstance(value, int | float) else max(value)) * largest / self.ratio
            if most >= 1:
                raise ValueError(f"`scaled_to`: {self._name(largest)} would remove {most:.0%} of {key}; less must go")
        return self

    @property
    def ratios(self) -> tuple[float, ...]:
        """The ratios of the whole that it is evaluated at."""
        return self.scaled_to or (self.ratio,)

    @property
    def written(self) -> list[Written]:
        """What it asks to be evaluated."""
        if self.removed is None:
            return [Written(self._name(self.ratio), self.kept or {}, are_widths=True)]
        scaled = [(self._name(ratio), _scaled(self.removed, ratio / self.ratio)) for ratio in self.ratios]
        return [Written(name, entries, are_widths=False) for name, entries in scaled]

    def _name(self, ratio: float) -> str:
        return f"{self.name} {100 * ratio:g} %"


def written_of(distributions: Sequence[Distribution]) -> list[Written]:
    """Return all that distributions ask to be evaluated."""
    return [one for distribution in distributions for one in distribution.written]


def what_is_wrong(distributions: Sequence[Distribution], *, most: int) -> str | None:
    """Return why no study can have these together, None where it can. `most` is how many its trials leave room for."""
    count = sum(len(distribution.ratios) for distribution in distributions)
    if count > MOST:
        return f"{count} configs are given; at most {MOST}"
    if count > most:
        return f"{count} configs are given, and there is room for {most}; raise `trials`"
    given = Counter(one.name for one in written_of(distributions))
    twice = [name for name, times in given.items() if times > 1]
    return f"{twice[0]} is given twice; give each name and ratio once" if twice else None


def _scaled(entries: Entries, factor: float) -> Entries:
    return dict(_each_scaled(entries, factor))


def _each_scaled(entries: Entries, factor: float) -> Iterator[tuple[str, float | tuple[float, ...]]]:
    for key, value in entries.items():
        yield key, value * factor if isinstance(value, int | float) else tuple(each * factor for each in value)
