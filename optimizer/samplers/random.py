"""Random search: uniform points that ignore what they are told, the yardstick of every other sampler."""

from __future__ import annotations

from optimizer.samplers.protocol import Point
from optimizer.samplers.replay import ReplaySampler


class RandomSampler(ReplaySampler):
    """Uniform in the cube, one independent point per (seed, number, attempt)."""

    def ask(self, number: int, attempt: int = 0) -> Point:
        """Return a uniform point."""
        return self._problem.uniform(number, attempt)
