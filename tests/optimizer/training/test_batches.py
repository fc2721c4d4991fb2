from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from toy_examples import toy_examples

from optimizer.tasks.cutting import batch_count
from optimizer.training.batches import Order, short_first, shuffled


def places(order: Order, n: int, *, size: int, rng: np.random.Generator | None = None) -> list[list[int]]:
    rng = rng or np.random.default_rng(0)
    return [batch.tolist() for batch in order(toy_examples(n, seed=3).lengths, size=size, rng=rng)]


@pytest.mark.parametrize("n", [1, 7, 16, 33, 1000])
@pytest.mark.parametrize("size", [1, 4, 16])
@pytest.mark.parametrize("order", [shuffled, short_first])
def test_every_example_comes_once(order: Order, n: int, size: int) -> None:
    found = places(order, n, size=size)
    assert sorted(chain.from_iterable(found)) == list(range(n))
    assert len(found) == batch_count(n, size)
    assert max(map(len, found)) <= size + (n % size == 1)  # none is left alone


@pytest.mark.parametrize("order", [shuffled, short_first])
def test_two_epochs_of_one_generator_differ_and_a_seed_repeats(order: Order) -> None:
    rng = np.random.default_rng(0)
    first, second = (places(order, 64, size=8, rng=rng) for _ in range(2))
    assert first != second
    assert first == places(order, 64, size=8)


def test_batches_hold_examples_of_like_length_in_no_order_of_length() -> None:
    lengths = toy_examples(800, seed=3).lengths
    batches = places(shuffled, 800, size=16)
    widths = [lengths[batch].max() for batch in batches]
    assert sum(width * len(batch) for width, batch in zip(widths, batches, strict=True)) < 1.05 * lengths.sum()
    assert widths != sorted(widths)


def test_short_texts_come_first() -> None:
    lengths = toy_examples(1001, seed=3).lengths
    means = [float(lengths[batch].mean()) for batch in places(short_first, 1001, size=10)]
    assert np.corrcoef(means, np.arange(len(means)))[0, 1] > 0.5
