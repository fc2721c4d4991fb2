from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from read_entities import f1

from objectives.metrics.entities import ABSENT, TagsError, entity_f1, tag_accuracy
from objectives.statistics import bootstrap_drop

TAGS = ("O", "B-a", "I-a", "E-a", "S-a", "B-b", "I-b", "E-b", "S-b")


def padded(rows: list[list[int]], width: int) -> np.ndarray:
    return np.array([row + [ABSENT] * (width - len(row)) for row in rows])


@given(st.lists(st.lists(st.tuples(*2 * [st.integers(0, len(TAGS) - 1)]), min_size=1, max_size=8), min_size=1))
def test_f1_counts_the_entities_that_a_reader_finds(sentences: list[list[tuple[int, int]]]) -> None:
    labels, predictions = ([[pair[i] for pair in s] for s in sentences] for i in (0, 1))
    names = [[[TAGS[tag] for tag in s] for s in side] for side in (labels, predictions)]
    assert entity_f1(TAGS).value(padded(predictions, 8), padded(labels, 8)) == pytest.approx(f1(*names), abs=1e-12)


def test_the_example_of_seqeval() -> None:
    tags = ("O", "B-MISC", "I-MISC", "B-PER", "I-PER")
    labels = padded([[0, 0, 0, 1, 2, 2, 0], [3, 4, 0]], 7)
    predictions = padded([[0, 0, 1, 2, 2, 2, 0], [3, 4, 0]], 7)
    assert entity_f1(tags).value(predictions, labels) == 0.5
    assert tag_accuracy().value(predictions, labels) == pytest.approx(0.8)


def test_a_resample_of_sentences_counts_whole_sentences() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(TAGS), (60, 6))
    dense = np.where(rng.random(labels.shape) < 0.9, labels, 0)
    small = np.where(rng.random(labels.shape) < 0.8, labels, 0)
    metric = entity_f1(TAGS)
    found = bootstrap_drop(metric, dense, small, labels, seed=0, resamples=200)
    assert found.value == pytest.approx(metric.value(dense, labels) - metric.value(small, labels))
    assert found.interval.lower < found.value < found.interval.upper
    counts = rng.multinomial(60, np.full(60, 1 / 60), 3)
    repeated = [metric.value(np.repeat(small, row, axis=0), np.repeat(labels, row, axis=0)) for row in counts]
    assert metric.values(small, labels, counts.astype(float)) == pytest.approx(repeated)


@pytest.mark.parametrize(("tags", "named"), [(("O", "NOUN"), "'NOUN'"), (("O",), "all tags are O")])
def test_tags_that_mark_no_entities_are_refused(tags: tuple[str, ...], named: str) -> None:
    with pytest.raises(TagsError, match=named):
        entity_f1(tags)
