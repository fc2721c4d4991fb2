"""Networks trained once for all tests of channels."""

from __future__ import annotations

import pytest
import torch
from digit_networks import ResidualCnn, Trained, mlp, trained


@pytest.fixture(scope="session")
def digits_mlp() -> Trained:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return trained(mlp(), epochs=30, rate=2e-3)


@pytest.fixture(scope="session")
def digits_cnn() -> Trained:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return trained(ResidualCnn(), epochs=6, rate=2e-3)
