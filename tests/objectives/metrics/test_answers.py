from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from read_answers import scores

from objectives.metrics.answers import ANSWERS
from objectives.statistics import bootstrap_drop

WORDS = [
    "the",
    "The",
    "a",
    "an",
    "Rome",
    "rome",
    "Rome.",
    "old",
    "U.S.",
    "us",
    "(b)",
    "-",
    "",
    "theatre",
    "İ",
    "a\u00a0b",
]
TEXT = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
ANSWERED = st.lists(st.tuples(TEXT, st.lists(TEXT, max_size=3)), min_size=1, max_size=8)


def arrays(rows: list[tuple[str, list[str]]]) -> tuple[np.ndarray, np.ndarray]:
    predictions = np.fromiter((text for text, _ in rows), dtype=object)
    return predictions, np.fromiter((tuple(right) for _, right in rows), dtype=object)


@given(ANSWERED)
def test_scores_are_those_of_the_published_script(rows: list[tuple[str, list[str]]]) -> None:
    predictions, labels = arrays(rows)
    wanted = np.array([scores(right, text) for text, right in rows])
    assert ANSWERS["exact-match"].value(predictions, labels) == pytest.approx(wanted[:, 0].mean())
    assert ANSWERS["answer-f1"].value(predictions, labels) == pytest.approx(wanted[:, 1].mean())


def test_exact_matches_are_counted_and_shares_of_words_are_bootstrapped() -> None:
    rows = [("the Old Rome!", ["old rome"]), ("Rome", ["old rome", "Paris"]), ("", []), ("Rome", [])]
    predictions, labels = arrays(rows)
    scored = ANSWERS["exact-match"].per_example(predictions, labels)
    assert scored is not None
    assert scored.tolist() == [1, 0, 1, 0]
    assert ANSWERS["answer-f1"].per_example(predictions, labels) is None
    many = np.tile(labels, 50)
    dense, small = np.tile(predictions, 50), np.tile(arrays([("", []), *rows[1:]])[0], 50)
    drop = bootstrap_drop(ANSWERS["answer-f1"], dense, small, many, seed=0)
    assert drop.value == pytest.approx(0.25)
    assert 0.17 < drop.interval.lower < 0.25 < drop.interval.upper < 0.32
