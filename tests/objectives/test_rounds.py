from __future__ import annotations

import numpy as np
import pytest

from objectives.rounds import Pace, in_rounds


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_it_ends_as_soon_as_enough_is_known_and_is_seldom_asked() -> None:
    asked: list[int] = []

    def enough(taken: dict[str, list[float]]) -> bool:
        asked.append(len(taken["a"]))
        return len(taken["b"]) >= 15

    takes = {"a": lambda: 1.0, "b": lambda: 2.0}
    taken = in_rounds(takes, rng=rng(), pace=Pace(seconds=1e9), enough=enough)
    assert asked == [8, 10, 13, 17]
    assert taken == {"a": [1.0] * 17, "b": [2.0] * 17}


def test_what_never_suffices_ends_with_the_time_or_the_most_rounds() -> None:
    clock = iter(np.arange(0, 1e4, 0.5))
    taken = in_rounds({0: lambda: 0}, rng=rng(), pace=Pace(seconds=10.0), clock=lambda: float(next(clock)))
    assert 6 <= len(taken[0]) < 12
    assert len(in_rounds({0: lambda: 0}, rng=rng(), pace=Pace(seconds=1e9, most=9))[0]) == 9


@pytest.mark.parametrize(("fewest", "most"), [(0, 5), (6, 5)])
def test_impossible_paces_are_refused(fewest: int, most: int) -> None:
    with pytest.raises(ValueError, match="rounds"):
        Pace(fewest=fewest, most=most)
