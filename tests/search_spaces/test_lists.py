"""Lists that a person writes down: a number for every layer."""

from __future__ import annotations

import pytest

from search_spaces.config import ConfigError
from search_spaces.groups import Group, freeze
from search_spaces.lists import kept_of, widths_of


def group(name: str, layer: int, units: int, kind: str = "channels") -> Group:
    return Group(
        name=name,
        kind=kind,
        layer=layer,
        units=units,
        unit_size=1,
        levels=tuple(range(8, units + 1, 8)),
        producers=(f"net.{name}",),
        consumers=(),
    )


GROUPS = (group("a", 0, 64), group("b", 1, 32), group("c", 1, 16, "neurons"))


@pytest.mark.parametrize(
    ("removed", "kept"),
    [
        ({"*": (0.5, 0.25, 0.0)}, {"a": 32, "b": 24, "c": 16}),
        ({"*": 0.25}, {"a": 48, "b": 24, "c": 12}),
        ({"channels": (0.5, 0.75)}, {"a": 32, "b": 8, "c": 16}),
        ({"net.a": 0.5, "neurons": (0.5,)}, {"a": 32, "b": 32, "c": 8}),
    ],
)
def test_keys_are_all_groups_kinds_layers_or_groups(removed: dict[str, float], kept: dict[str, float]) -> None:
    assert kept_of(removed, GROUPS) == kept


def test_widths_are_kept_as_they_are() -> None:
    assert widths_of({"a": 24}, GROUPS) == {"a": 24, "b": 32, "c": 16}


@pytest.mark.parametrize(
    ("removed", "said"),
    [
        ({"*": (0.5, 0.5)}, r"\* has 2 numbers for 3 groups: a, b, c"),
        ({"heads": 0.5}, "no layer or group is called 'heads'"),
        ({"channels": 0.5, "b": 0.5}, "b names b, which is named before"),
    ],
)
def test_lists_that_do_not_fit_are_refused_by_their_key(removed: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        kept_of(removed, GROUPS)


def test_a_layer_that_stays_dense_loses_nothing() -> None:
    frozen = freeze(GROUPS, frozenset({"a"}))
    assert kept_of({"*": (0.0, 0.5, 0.5)}, frozen)["a"] == 64
    with pytest.raises(ConfigError, match="a stays dense"):
        kept_of({"*": 0.5}, frozen)


@pytest.mark.parametrize(("width", "near"), [(33, "next to it 32 or 40"), (1, "next to it 8"), (65, "next to it 64")])
def test_a_width_that_no_group_has_is_refused_with_the_nearest(width: int, near: str) -> None:
    with pytest.raises(ConfigError, match=near):
        widths_of({"a": width}, GROUPS)
