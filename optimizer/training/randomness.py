"""Randomness of a training: it has its own seed and leaves the caller's random state unchanged.

torch has one random state per process, so one thread at a time uses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import RLock

import torch

_STATE = RLock()


@contextmanager
def own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Use `seed` inside, on the CPU and on the kind of `device`; restore the global states afterwards."""
    if device.type == "cpu":
        with _STATE, torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed also seeds accelerators
            yield
        return
    accelerators = range(torch.get_device_module(device).device_count())
    with _STATE, torch.random.fork_rng(accelerators, device_type=device.type):
        torch.manual_seed(seed)
        yield


def random_state(device: torch.device) -> list[torch.Tensor]:
    """Return the random state of the CPU and of the kind of `device`."""
    if device.type == "cpu":
        return [torch.get_rng_state()]
    return [torch.get_rng_state(), *torch.get_device_module(device).get_rng_state_all()]


def set_random_state(state: Sequence[torch.Tensor], device: torch.device) -> None:
    """Take over a `random_state`."""
    torch.set_rng_state(state[0])
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state_all(state[1:])
