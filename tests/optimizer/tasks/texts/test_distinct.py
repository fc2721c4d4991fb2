"""Repeats: kept once, by the majority of their labels, and counted."""

from __future__ import annotations

import numpy as np

from optimizer.tasks.texts.repeats import distinct


def test_each_example_stands_once_under_the_label_of_most_copies_and_ties_are_set_aside() -> None:
    keys = ["a", "b", "a", "c", "b", "a", "c", "d", "b"]
    labels = np.array([1, 0, 1, 0, 0, 0, 1, 2, 0])
    found = distinct(keys, labels)
    assert (found.kept.tolist(), found.labels.tolist()) == ([0, 1, 7], [1, 0, 2])
    assert (found.repeats, found.outvoted, found.tied) == (4, 1, 2)
    assert found.notes("search") == (
        "search examples: 4 repeats set aside",
        "search examples: 1 kept with the label that most of their copies have",
        "search examples: 2 set aside because as many of their copies have another label",
    )


def test_what_stands_once_is_kept_as_it_is_without_a_note() -> None:
    scores = np.array([0.5, 0.25])
    found = distinct([("one", "pair"), ("another", "pair")], scores)
    assert (found.kept.tolist(), found.labels.tolist(), found.notes("train")) == ([0, 1], [0.5, 0.25], ())
