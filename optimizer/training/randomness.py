"""Randomness of a training: drawn from its own seed; the caller's random numbers continue as if no training had run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from `seed` inside, on the CPU and on the kind of `device`; give the global states back as they were."""
    if device.type == "cpu":
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach accelerators not given back
            yield
        return
    accelerators = range(torch.get_device_module(device).device_count())
    with torch.random.fork_rng(accelerators, device_type=device.type):
        torch.manual_seed(seed)
        yield
