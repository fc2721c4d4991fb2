"""Randomness of a training: it has its own seed and leaves the caller's random state unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Use `seed` inside, on the CPU and on the kind of `device`; restore the global states afterwards."""
    if device.type == "cpu":
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed also seeds accelerators
            yield
        return
    accelerators = range(torch.get_device_module(device).device_count())
    with torch.random.fork_rng(accelerators, device_type=device.type):
        torch.manual_seed(seed)
        yield
