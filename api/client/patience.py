"""Patience: how often a request is repeated, and how long to pause before each attempt."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Pauses double from `first_s` up to `longest_s`; times in seconds."""

    tries: int = 5  # of a request
    reconnects: int = 20  # of a stream, in a row without an event: a server may take a while to start again
    first_s: float = 0.25
    longest_s: float = 10.0
    asked_for_s: float = 90.0  # the longest Retry-After that is waited for

    def pauses(self, count: int) -> Iterator[float]:
        """Yield the pauses before `count` repetitions, slightly random, so that clients spread out."""
        for number in range(count):
            yield min(self.longest_s, self.first_s * 2**number) * random.uniform(0.7, 1.0)
