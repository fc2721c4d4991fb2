from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch
from toy_examples import toy_examples

from optimizer.tasks.texts.examples import Examples
from optimizer.training.batches import batches_short_first, shuffled_batches
from optimizer.training.cutting import batch_count

CPU = torch.device("cpu")


def numbered(n: int) -> Examples:
    """Return examples whose labels are their places."""
    toy = toy_examples(n, seed=3)
    return Examples(role="train", token_ids=toy.token_ids, labels=np.arange(n), hash="numbered")


def places(examples: Examples, *, batch_size: int, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [b["labels"].tolist() for b in shuffled_batches(examples, batch_size=batch_size, rng=rng, device=CPU)]


@pytest.mark.parametrize("n", [1, 7, 16, 33, 1000])
@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_every_example_comes_once(n: int, batch_size: int) -> None:
    found = places(numbered(n), batch_size=batch_size)
    assert sorted(chain.from_iterable(found)) == list(range(n))
    assert len(found) == batch_count(n, batch_size)
    assert max(map(len, found)) <= batch_size + (n % batch_size == 1)  # none is left alone


def test_two_epochs_of_one_generator_differ_and_a_seed_repeats() -> None:
    examples, rng = numbered(64), np.random.default_rng(0)
    first, second = (
        [b["labels"].tolist() for b in shuffled_batches(examples, batch_size=8, rng=rng, device=CPU)] for _ in range(2)
    )
    assert first != second
    assert first == places(examples, batch_size=8)


def test_batches_hold_examples_of_like_length_in_no_order_of_length() -> None:
    examples = numbered(800)
    rng = np.random.default_rng(0)
    batches = list(shuffled_batches(examples, batch_size=16, rng=rng, device=CPU))
    padded = sum(batch["input_ids"].numel() for batch in batches)
    assert padded < 1.05 * examples.lengths.sum()
    widths = [batch["input_ids"].shape[1] for batch in batches]
    assert widths != sorted(widths)


def test_short_texts_come_first_and_every_one_once() -> None:
    examples, rng = numbered(1001), np.random.default_rng(0)
    batches = [b["labels"].tolist() for b in batches_short_first(examples, batch_size=10, rng=rng, device=CPU)]
    assert sorted(chain.from_iterable(batches)) == list(range(1001))
    assert len(batches) == batch_count(1001, 10)
    lengths = [float(examples.lengths[batch].mean()) for batch in batches]
    assert np.corrcoef(lengths, np.arange(len(batches)))[0, 1] > 0.5
