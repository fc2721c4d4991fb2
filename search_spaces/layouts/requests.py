"""Requests: the inputs with which a row is proved, and which of their tokens are real."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

Inputs = Mapping[str, Tensor]


def token_requests(vocabulary: int, device: torch.device) -> list[Inputs]:
    """Return a request without padding and one with padding, of random tokens."""
    tokens = partial(torch.randint, 0, vocabulary, generator=torch.Generator().manual_seed(0))
    whole, padded = tokens((2, 7)), tokens((3, 9))
    mask = torch.ones_like(padded)
    mask[1, 5:], mask[2, 2:] = 0, 0
    return [
        {"input_ids": ids.to(device), "attention_mask": attended.to(device)}
        for ids, attended in ((whole, torch.ones_like(whole)), (padded, mask))
    ]


def noise_requests(name: str, shape: tuple[int, ...], device: torch.device) -> list[Inputs]:
    """Return a request of two random arrays of one `shape`: images or spectra, which are never padded."""
    noise = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    return [{name: noise.to(device)}]


def logits_of(answer: Any) -> Tensor:  # Any: an output of transformers
    """Return the logits of a model's answer: those of a start and an end as `(batch, tokens, 2)`."""
    if hasattr(answer, "start_logits"):
        return torch.stack([answer.start_logits, answer.end_logits], dim=-1)
    logits: Tensor = answer.logits
    return logits


def real_tokens(inputs: Inputs, hidden: Tensor) -> Tensor:
    """Return which tokens of hidden states `(batch, tokens, width)` are no padding: bool `(batch, tokens)`.

    States of another shape are no tokens, such as relative positions: all of them count.
    """
    mask = inputs.get("attention_mask")
    if mask is None or mask.shape != hidden.shape[:-1]:
        return torch.ones(hidden.shape[:-1], dtype=torch.bool, device=hidden.device)
    return mask.bool()
