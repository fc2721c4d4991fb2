"""A guard around measuring: evaluation mode, no gradients, a stated thread count; all is left as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import torch
from torch import nn

_MEASURING = RLock()


@contextmanager
def measuring(*models: nn.Module, threads: int | None = None) -> Iterator[None]:
    """Put `models` into evaluation and inference mode, on `threads` CPU threads (None: as many as now).

    Threads of one process measure one after the other: a time taken beside another measurement is not a figure.
    Afterwards, also after an error, every module has its own training mode, every parameter its gradient flag and
    torch its thread count again. Raises `ValueError` for fewer than one thread.
    """
    modes = {module: module.training for model in models for module in model.modules()}
    flags = {parameter: parameter.requires_grad for model in models for parameter in model.parameters()}
    try:
        for model in models:
            model.eval()
        with _MEASURING, on_threads(threads), torch.inference_mode():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter, flag in flags.items():
            parameter.requires_grad_(flag)


@contextmanager
def on_threads(threads: int | None) -> Iterator[None]:
    """Have torch use `threads` CPU threads inside, None: as many as now; afterwards as many as before.

    Raises `ValueError` for fewer than one thread.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads: at least 1, got {threads}")
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
