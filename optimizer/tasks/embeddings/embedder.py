"""Embedder: an encoder with its pooling, whose outputs are the embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optimizer.tasks.embeddings.pooling import Pooling, read_pooling, refuse_prompts


@dataclass(frozen=True, slots=True)
class Embedded:
    """The embeddings `(batch, width)`, called as a classifier's outputs are."""

    logits: Tensor


class Embedder(nn.Module):
    """Gives `(batch, width)` embeddings for texts; its weights are named as those of its encoder, `body`."""

    base_model_prefix = "body"

    def __init__(self, body: Any, pooling: Pooling) -> None:  # Any: one transformers class per architecture
        super().__init__()
        self.body, self.pooling, self.config = body, pooling, body.config

    @property
    def beside(self) -> Mapping[str, bytes]:
        """The files of its sentence-transformers folder."""
        return self.pooling.files

    @property
    def base_model(self) -> nn.Module:
        """The encoder."""
        body: nn.Module = self.body
        return body

    @property
    def device(self) -> torch.device:
        """Where the encoder is."""
        return next(self.parameters()).device

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **inputs: Tensor) -> Embedded:
        """Return the embeddings of texts `(batch, tokens)`."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        hidden = self.body(input_ids=input_ids, attention_mask=mask, **inputs).last_hidden_state
        pooled = POOLED[self.pooling.mode](hidden, mask[..., None].to(hidden.dtype))
        return Embedded(F.normalize(pooled, dim=1) if self.pooling.is_normalised else pooled)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]  # torch overloads it
        """Return the encoder's tensors."""
        found: dict[str, Any] = self.body.state_dict(*args, **kwargs)
        return found

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:  # noqa: FBT001, FBT002 - as torch's
        """Load the encoder's tensors."""
        return self.body.load_state_dict(state_dict, strict=strict, assign=assign)

    def _init_weights(self, module: nn.Module) -> None:
        self.body._init_weights(module)


def embedder(body: Any, directory: Path) -> Embedder:
    """Return an encoder with the pooling of its sentence-transformers folder. Raises `InputError` for other folders."""
    return Embedder(body, read_pooling(directory))


def retriever(body: Any, directory: Path) -> Embedder:
    """Return an encoder with its pooling, as `embedder` does. Raises `InputError` for a folder with prompts as well."""
    refuse_prompts(directory)
    return embedder(body, directory)


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1e-9)


def _mean_sqrt(hidden: Tensor, mask: Tensor) -> Tensor:
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1e-9).sqrt()


def _first(hidden: Tensor, _mask: Tensor) -> Tensor:
    return hidden[:, 0]


def _largest(hidden: Tensor, mask: Tensor) -> Tensor:
    return hidden.masked_fill(mask == 0, -1e9).max(dim=1).values


POOLED: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": _mean,
    "cls": _first,
    "max": _largest,
    "mean_sqrt_len_tokens": _mean_sqrt,
}
