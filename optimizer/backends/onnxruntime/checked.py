"""Checked: a session answers as torch does."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from optimizer.backends.onnxruntime.session import SessionModel
from optimizer.backends.onnxruntime.traced import on_cpu
from optimizer.errors import MachineError
from search_spaces.layouts.requests import logits_of

ABSOLUTE, RELATIVE = 1e-4, 1e-4  # tolerated differences of logits


def check(session: SessionModel, model: nn.Module, requests: Sequence[dict[str, Tensor]]) -> None:
    """Raise `MachineError` unless a session gives the logits of torch on the CPU."""
    difference = max(_differences(session, model, requests), default=0.0)
    if difference:
        raise MachineError(f"onnxruntime differs from torch by {difference:.2g}; nothing was written")


def _differences(session: SessionModel, model: nn.Module, requests: Sequence[dict[str, Tensor]]) -> list[float]:
    """Return the largest difference of each request whose logits differ."""
    here = copy.deepcopy(model).cpu().eval()  # a GPU rounds the inputs of convolutions, so its logits prove nothing
    found = []
    for request in map(on_cpu, requests):
        with torch.inference_mode():
            wanted, got = logits_of(here(**request)).numpy(), session(**request).logits.numpy()
        if not np.allclose(got, wanted, atol=ABSOLUTE, rtol=RELATIVE):
            found.append(float(np.abs(got - wanted).max()))
    return found
