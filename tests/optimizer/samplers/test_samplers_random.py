"""Random search keeps the contract, and fills the cube."""

from __future__ import annotations

import numpy as np
from sampler_contract import SamplerContract


class TestRandom(SamplerContract):
    name = "random"

    def test_points_fill_the_cube_evenly(self) -> None:
        sampler = self.make()
        points = np.array([sampler.ask(number) for number in range(1000)])
        shares = np.stack([np.histogram(axis, bins=4, range=(0, 1))[0] for axis in points.T]) / 1000
        assert np.abs(shares - 0.25).max() < 0.06
        assert np.abs(np.corrcoef(points.T) - np.eye(4)).max() < 0.12
