from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from objectives.statistics.bought import (
    DIFFERENT,
    EQUAL,
    GAINED,
    LOST,
    SAME,
    UNCHECKED,
    Disagreements,
    bought_upper,
    certifies,
    log_wealth,
)

EPSILON = 0.2
KINDS = [(outcome, check) for outcome in (LOST, EQUAL, GAINED) for check in (UNCHECKED, SAME, DIFFERENT)]


def disagreements(
    n: int, kinds: list[tuple[int, int]], places: list[int] | None = None, *, all_twice: bool = False
) -> Disagreements:
    outcomes, checks = (np.array([kind[i] for kind in kinds], dtype=np.int64) for i in (0, 1))
    return Disagreements(n, np.array(places or range(len(kinds)), dtype=np.int64), outcomes, checks, all_twice)


def world(lost: float, gained: float, *, checked: float, differ: float) -> dict[tuple[int, int], float]:
    """Return the chance of each kind of text; labels that differ are as frequent among losses as among gains."""
    drop = {LOST: lost, EQUAL: 1 - lost - gained, GAINED: gained}
    check = {UNCHECKED: 1 - checked, SAME: checked * (1 - differ), DIFFERENT: checked * differ}
    return {(outcome, check_): drop[outcome] * check[check_] for outcome, check_ in KINDS}


WORLDS = ((0.2, 0.0, 0.0), (0.5, 0.3, 0.0), (0.24, 0.06, 0.05), (0.4, 0.32, 0.3), (0.3, 0.3, 0.5))  # lost, gained, r


def test_the_wealth_is_fair_at_a_drop_of_epsilon_in_every_small_world() -> None:
    sequences = list(product(KINDS, repeat=3))
    wealth = np.exp([log_wealth(disagreements(3, list(kinds)), EPSILON) for kinds in sequences])
    for lost, gained, differ in WORLDS:
        assert lost - gained == pytest.approx((1 - 2 * differ) * EPSILON)  # what such labels leave of the drop
        each = world(lost, gained, checked=0.5, differ=differ)
        chances = np.array([math.prod(each[kind] for kind in kinds) for kinds in sequences])
        assert chances @ wealth[:, -1] <= 1
        for level in (1.2, 1.5, 2.0):
            assert chances @ (wealth.max(axis=1) >= level) <= 1 / level


MISTAKES = ((0.25, 0.05, 0.5, 0.0), (0.2, 0.0, 0.2, 0.0), (0.6, 0.4, 0.05, 0.3), (0.5, 0.3, 0.5, 0.5))


@pytest.mark.parametrize(("lost", "gained", "wrong_lost", "wrong_gained"), MISTAKES)
def test_two_labels_of_every_text_are_fair_whatever_texts_the_mistakes_are_on(
    lost: float, gained: float, wrong_lost: float, wrong_gained: float
) -> None:
    assert lost - gained == pytest.approx(EPSILON)
    each = {(EQUAL, SAME): 1 - lost - gained, (LOST, SAME): 0.0, (GAINED, SAME): 0.0, (LOST, DIFFERENT): 0.0}
    for chance, wrong, kinds in ((lost, wrong_lost, (LOST, GAINED)), (gained, wrong_gained, (GAINED, LOST))):
        each[kinds[0], SAME] += chance * (1 - wrong) ** 2
        each[kinds[1], SAME] += chance * wrong**2
        each[LOST, DIFFERENT] += chance * 2 * wrong * (1 - wrong)
    sequences = list(product(each, repeat=3))
    wealth = np.exp([log_wealth(disagreements(3, list(kinds), all_twice=True), EPSILON) for kinds in sequences])
    chances = np.array([math.prod(each[kind] for kind in kinds) for kinds in sequences])
    assert chances @ wealth[:, -1] <= 1 + 1e-12
    assert chances @ (wealth.max(axis=1) >= 1.2) <= 1 / 1.2


@pytest.mark.parametrize("all_twice", [False, True])
def test_a_missing_label_never_raises_the_wealth_of_any_text(*, all_twice: bool) -> None:
    rng = np.random.default_rng(0)

    def wealth(kinds: list[tuple[int, int]]) -> NDArray[np.float64]:
        return log_wealth(disagreements(30, kinds, all_twice=all_twice), EPSILON)

    for _ in range(20):
        kinds = [KINDS[i] for i in rng.integers(len(KINDS), size=30)]
        missing = [(LOST, check and DIFFERENT) if rng.random() < 0.3 else (outcome, check) for outcome, check in kinds]
        assert np.all(wealth(missing) <= wealth(kinds))


def test_texts_on_which_models_agree_count_without_a_label() -> None:
    kinds = [(GAINED, SAME), (LOST, SAME)] * 40
    few = disagreements(200, kinds, list(range(0, 160, 2)))
    many = disagreements(2000, kinds, list(range(0, 1600, 20)))
    assert bought_upper(many, 0.01) < bought_upper(few, 0.01) / 5


def test_the_bound_is_where_the_certificate_begins_and_tells_nothing_without_texts() -> None:
    found = disagreements(3000, [(GAINED, SAME), (LOST, SAME)] * 30, list(range(0, 3000, 50)))
    upper = bought_upper(found, 0.01)
    assert certifies(found, upper, 0.01)
    assert not certifies(found, upper - 2e-4, 0.01)
    assert bought_upper(disagreements(0, []), 0.01) == 1.0
    gains = disagreements(400, [(GAINED, SAME), (GAINED, UNCHECKED)] * 200)  # no stake loses more than there is
    assert -1 < bought_upper(gains, 0.01) < -0.8
    assert -1 < bought_upper(disagreements(400, [(GAINED, SAME)] * 400, all_twice=True), 0.01) < -0.8


def test_labels_that_are_never_checked_or_differ_as_coins_do_certify_no_loss() -> None:
    places = list(range(0, 5000, 50))
    for check in (UNCHECKED, DIFFERENT):
        assert not certifies(disagreements(5000, [(LOST, check), (GAINED, check)] * 50, places), 0.02, 0.01)
    assert certifies(disagreements(5000, [(LOST, SAME), (GAINED, SAME)] * 50, places), 0.02, 0.01)


def test_more_outcomes_than_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="at most n=1 places"):
        disagreements(1, [(LOST, SAME)] * 2)
