"""A reduced form of `python -m benchmarks.truth`: what is promised is as rarely false as it promises."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import buying
from benchmarks.truths import classes, counted, headline, screening, sequences, stops, studies


@pytest.mark.parametrize("world", classes.WORLDS[:3], ids=lambda world: world.name)
@pytest.mark.parametrize("metric", ["f1", "matthews"])
def test_a_true_drop_of_epsilon_is_certified_once_in_twenty_at_most(metric: str, world: classes.World) -> None:
    found = classes.false_certificates(metric, world, 0.1, 2000, repeats=400)
    assert found is not None
    assert found <= 0.087  # a size of 5 % exceeds this once in 1,000 times


def test_accuracy_is_certified_once_in_twenty_at_most_and_its_interval_holds_nineteen_times_exactly() -> None:
    for n, drop, gains in ((50, 0.1, 0.0), (200, 0.01, 0.05), (600, 0.0, 0.2), (2000, 0.002, 0.0), (2000, 0.03, 0.01)):
        assert 0 < counted.certified(n, drop, gains, drop) <= 0.05
        assert 0.95 <= counted.covered(n, drop, gains) <= 0.99
    assert counted.certified(600, 0.0, 0.0, 0.0) == 0.0  # answers as the dense model's, at ε = 0


def test_a_member_without_a_drop_is_certified_with_few_more_examples_than_a_z_test_would_need() -> None:
    enough, known = counted.needed(0.015, 0.01)
    assert 1 < enough / known <= 1.15


def test_texts_that_stand_twice_would_certify_falsely_if_each_row_counted() -> None:
    assert counted.certified_with_copies(1800, 0.01, 0.01, 2, repeats=400) > 0.065
    assert counted.certified_with_copies(1800, 0.01, 0.01, 1, repeats=400) <= 0.087


@pytest.mark.parametrize("world", [studies.WORLDS[0], studies.WORLDS[1], studies.WORLDS[3]], ids=lambda w: w.name)
def test_a_chance_that_is_stated_comes_true_no_more_often_and_luck_is_corrected(world: studies.World) -> None:
    found = headline.headlines(world, 436, repeats=60)
    above = np.mean([each.true > studies.EPSILON for each in found])
    stated = np.array([each.chance for each in found])
    assert above <= stated.mean() + 3 * np.sqrt((stated * (1 - stated)).sum()) / len(found)  # at most once in 700
    lucky, corrected = (np.mean([getattr(e, of) - e.true for e in found]) for of in ("observed", "corrected"))
    assert lucky < -0.002
    assert abs(corrected) < abs(lucky) / 2


def test_the_fixed_sequence_leaves_fewer_studies_without_a_certificate_than_holm() -> None:
    rules = sequences.sequences(872, repeats=60)
    assert rules["fixed sequence"].nothing < rules["Holm"].nothing
    assert sequences.sequences(1821, world=studies.AT_THE_BORDER, repeats=60)["fixed sequence"].false <= 0.15


def test_a_candidate_within_epsilon_on_all_search_examples_is_hardly_ever_stopped() -> None:
    assert stops.stopped(872, 40, repeats=100) <= 0.06  # 1 % exceeds this once in 10,000 times
    assert stops.stopped_elsewhere(872, 0.03, repeats=20) > 0.5


def test_of_like_neighbours_the_one_chosen_on_search_examples_looks_little_better_there() -> None:
    gap, error, scatter = screening.bias(0.6, repeats=60)
    assert abs(gap) < scatter / 2 + 2 * error


@pytest.mark.parametrize("world", [buying.WORLDS[0], buying.WORLDS[7]], ids=lambda world: world.name)
def test_bought_labels_certify_a_true_drop_of_epsilon_once_in_a_hundred_at_most(world: buying.World) -> None:
    assert buying.false_purchases(world._replace(n=1500), repeats=100) <= 0.05  # 1 % exceeds this once in 2,000 times


def test_bought_labels_certify_a_good_member_where_a_plain_test_at_every_batch_certifies_bad_ones() -> None:
    certified, labels = buying.labels_needed(*buying.POWERS[0], repeats=10)
    assert certified >= 0.8
    assert labels < 400
    assert buying.plain_tests(n=2000, repeats=150) > 0.1
