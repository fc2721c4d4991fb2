"""A guard around measuring: evaluation mode, no gradients, a stated thread count; all is left as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def measuring(*models: nn.Module, threads: int | None = None) -> Iterator[None]:
    """Put `models` into evaluation and inference mode, on `threads` CPU threads (None: as many as now).

    Afterwards, also after an error, every module has its own training mode, every parameter its gradient flag and
    torch its thread count again. Raises `ValueError` for fewer than one thread.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads: at least 1, got {threads}")
    modes = {module: module.training for model in models for module in model.modules()}
    flags = {parameter: parameter.requires_grad for model in models for parameter in model.parameters()}
    threads_before = torch.get_num_threads()
    try:
        for model in models:
            model.eval()
        if threads is not None:
            torch.set_num_threads(threads)
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads_before)
        for module, mode in modes.items():
            module.training = mode
        for parameter, flag in flags.items():
            parameter.requires_grad_(flag)
