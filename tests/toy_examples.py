"""A task that a tiny encoder learns in a second: which of three words stands in the sentence."""

from __future__ import annotations

import numpy as np

from optimizer.tasks.texts.examples import Examples

TELLING = np.array([10, 11, 12])  # the words that decide; all others are noise


def toy_examples(n: int, *, seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(TELLING), size=n)
    sentences = []
    for label in labels:
        words = rng.integers(20, 50, size=rng.integers(3, 9))
        words[rng.integers(len(words))] = TELLING[label]
        sentences.append(words)
    return Examples(role="train", token_ids=tuple(sentences), labels=labels, hash=f"toy-{n}-{seed}")
