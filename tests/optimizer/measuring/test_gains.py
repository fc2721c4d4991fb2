from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from objectives.measurement import Interval, JsonScalar, Measurement, Source
from objectives.repeats import COPIES
from optimizer.measuring.gains import shows_gain, with_gains


def ratio(
    centre: float, *, spread: float = 0.02, n: int = 20, quantity: str = "latency_ratio", **conditions
) -> Measurement:
    samples = centre * np.exp(spread * np.linspace(-1, 1, n))
    return Measurement(
        quantity=quantity,
        value=centre,
        unit="ratio",
        source=Source.MEASURED,
        interval=Interval(lower=centre * 0.98, upper=centre * 1.02),
        samples=tuple(samples),
        conditions=conditions,
    )


def is_latency(each: Measurement) -> bool:
    return each.quantity == "latency_ratio"


def said(*ratios: Measurement) -> list[bool]:
    found = with_gains({"dense": [ratio(1.0)], **dict(enumerate([r] for r in ratios))}, dense="dense", of=is_latency)
    assert found["dense"][0].conditions == {}
    return [shows_gain(found[i][0]) for i in range(len(ratios))]


def test_what_is_a_gain_alone_may_be_none_among_many() -> None:
    close = ratio(0.991)
    assert said(close) == [True]
    assert said(*[close] * 40) == [False] * 40
    assert said(*[ratio(0.5)] * 40) == [True] * 40


def test_too_few_rounds_for_so_many_comparisons_show_no_gain() -> None:
    assert said(*[ratio(0.5, n=7)] * 2) == [True] * 2
    assert said(*[ratio(0.5, n=7)] * 40) == [False] * 40


def test_a_difference_that_copies_have_is_no_gain() -> None:
    assert said(ratio(0.99, spread=0.001)) == [True]
    assert said(ratio(0.99, spread=0.001, **{COPIES: 0.006})) == [False]


def test_other_quantities_are_left_alone() -> None:
    energy = ratio(0.5, quantity="energy_ratio")
    assert with_gains({0: [energy]}, dense="dense", of=is_latency) == {0: [energy]}


@pytest.mark.parametrize(("conditions", "gain"), [({}, True), ({"kernels": "dense"}, False), ({"gain": False}, False)])
def test_stored_ratios_say_it_or_their_own_interval_does(conditions: dict[str, JsonScalar], gain: bool) -> None:
    assert shows_gain(ratio(0.5, **conditions)) is gain
    assert not shows_gain(ratio(1.0))
    assert shows_gain(None)


def test_twenty_copies_at_two_batch_sizes_are_hardly_ever_called_a_gain() -> None:
    rng = np.random.default_rng(0)
    false = 0
    for _ in range(60):
        samples = np.exp(rng.normal(0, 0.05, (40, 24)))
        copies = {i: [replace(ratio(1.0), samples=tuple(each))] for i, each in enumerate(samples)}
        found = with_gains(copies, dense="dense", of=is_latency)
        false += any(shows_gain(each) for several in found.values() for each in several)
    assert false <= 6
