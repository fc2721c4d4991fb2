from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.fronts.front import hypervolume, knee, non_dominated

VALUES = (0.0, 1.0, np.inf)


def non_dominated_by_definition(losses: np.ndarray) -> list[bool]:
    return [
        not any((other <= row).all() and (other < row).any() for j, other in enumerate(losses) if j != i)
        for i, row in enumerate(losses)
    ]


def hypervolume_by_cells(losses: np.ndarray, reference: np.ndarray) -> float:
    """Count unit cells of a whole-number grid below `reference` that some row dominates."""
    cells = itertools.product(*(range(int(corner)) for corner in reference))
    return float(sum(bool((losses <= np.array(cell)).all(axis=1).any()) for cell in cells))


@st.composite
def grids(draw: st.DrawFn, *, least: int = 0) -> np.ndarray:
    """Return up to 12 rows of small whole numbers, so that ties and duplicates are common."""
    m = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(st.integers(0, 4), min_size=m, max_size=m), min_size=least, max_size=12))
    return np.array(rows, dtype=float).reshape(len(rows), m)


def test_dominance_is_its_definition_on_every_small_grid() -> None:
    points = list(itertools.product(VALUES, repeat=2))
    for rows in itertools.product(points, repeat=3):  # duplicates included
        losses = np.array(rows)
        assert non_dominated(losses).tolist() == non_dominated_by_definition(losses), losses


@given(grids())
def test_dominance_is_its_definition_on_any_number_of_axes(losses: np.ndarray) -> None:
    assert non_dominated(losses).tolist() == non_dominated_by_definition(losses)


def test_of_equal_rows_all_are_marked_and_no_rows_give_an_empty_mask() -> None:
    assert non_dominated([[1, 2], [1, 2], [2, 1], [2, 2]]).tolist() == [True, True, True, False]
    assert non_dominated(np.empty((0, 2))).tolist() == []


@given(grids())
def test_hypervolume_counts_the_dominated_cells(losses: np.ndarray) -> None:
    reference = np.full(losses.shape[1], 3.0)  # some rows lie beyond it
    assert hypervolume(losses, reference) == pytest.approx(hypervolume_by_cells(losses, reference))


def test_rows_that_only_touch_the_reference_contribute_nothing() -> None:
    assert hypervolume([[1.0, 0.0], [0.0, 1.0], [2.0, -5.0]], [1.0, 1.0]) == 0.0
    assert hypervolume(np.empty((0, 2)), [1.0, 1.0]) == 0.0
    assert hypervolume([[0.5, 0.5], [2.0, -5.0]], [1.0, 1.0]) == 0.25


@given(grids(least=1))
def test_the_knee_is_a_member_and_does_not_depend_on_scale(losses: np.ndarray) -> None:
    front = np.unique(losses[non_dominated(losses)], axis=0)
    chosen = knee(front)
    assert 0 <= chosen < len(front)
    assert knee(front * 8 - 3) == chosen


def test_the_knee_bulges_furthest_towards_the_ideal() -> None:
    assert knee([[0.0, 1.0], [0.1, 0.2], [0.5, 0.15], [1.0, 0.0]]) == 1
    assert knee([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.2, 0.3, 0.2]]) == 3


def test_the_knee_of_a_straight_front_is_its_middle_and_of_one_member_that_member() -> None:
    assert knee([[0.0, 0.9], [0.3, 0.6], [0.6, 0.3], [0.9, 0.0], [0.45, 0.45]]) == 4
    assert knee([[7.0, 3.0]]) == 0
    assert knee([[1.0, 2.0], [1.0, 2.0]]) == 0


def test_an_axis_on_which_all_agree_says_nothing() -> None:
    assert knee([[5.0, 0.0, 1.0], [5.0, 0.1, 0.1], [5.0, 1.0, 0.0]]) == 1


def test_a_front_without_members_has_no_knee() -> None:
    with pytest.raises(ValueError, match="at least one member"):
        knee(np.empty((0, 2)))


@pytest.mark.parametrize("losses", [[1.0, 2.0], [[0.0, np.nan]], np.empty((2, 0))])
def test_losses_that_are_no_table_of_numbers_are_refused(losses: object) -> None:
    with pytest.raises(ValueError, match="losses must"):
        non_dominated(losses)  # type: ignore[arg-type]  # wrong on purpose


def test_a_reference_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="reference"):
        hypervolume([[0.0, 0.0]], [1.0])
