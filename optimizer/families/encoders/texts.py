"""Texts: requests of tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from objectives.flops import FlopCount, count_flops, flop_count
from objectives.measurement import JsonScalar
from objectives.positions import positions_of_texts
from optimizer.backends.backend import OnnxInputs
from optimizer.costs.request import Request
from optimizer.families.encoders.stock import save_stock
from optimizer.tasks.task import TARGETS
from optimizer.tasks.texts.examples import AnyExamples, Examples
from search_spaces.layouts.named import row_of
from search_spaces.layouts.requests import Inputs, token_requests
from search_spaces.transforms.transform import Vocabulary

CALIBRATION_BATCH = 64
CALIBRATION_TOKENS = 2048
MOST_FREQUENT = 1 << 40  # occurrences: what the tokenizer adds itself is never rare
ONNX_CHECKED = 24  # examples on which a graph is checked


class TextRequests:
    """`Requests` of texts, `length` tokens each; `corpus` prepares what is left for training."""

    def __init__(
        self,
        tokenizer: Any,  # Any: transformers is untyped
        model: Any,
        *,
        length: int,
        corpus: Callable[[], Examples] | None = None,
    ) -> None:
        self.tokenizer, self.length = tokenizer, length
        self._tokens, self._device, self._corpus = int(model.config.vocab_size), model.device, corpus

    @property
    def shape(self) -> dict[str, JsonScalar]:
        """The length in tokens."""
        return {"length": self.length}

    def conditions(self) -> dict[str, JsonScalar]:
        """Return the length in tokens."""
        return {"sequence_length": self.length}

    def at(self, length: int) -> TextRequests:
        """Return the same with texts of another length."""
        other = copy(self)
        other.length = length
        return other

    def request(self) -> Request:
        """Return a function that makes requests of random tokens."""
        return request_of(self.length, self._tokens, self._device)

    def proving(self) -> list[Inputs]:
        """Return padded and unpadded texts."""
        return token_requests(self._tokens, self._device)

    def onnx_inputs(self, examples: AnyExamples) -> OnnxInputs:
        """Return padded batches with the tokenizer's inputs; batch and length are dynamic."""
        return OnnxInputs(requests=_requests_of(cast("Examples", examples), self._device), free=("batch", "length"))

    def batch_size(self, examples: AnyExamples) -> int:
        """Return as many texts as have about `CALIBRATION_TOKENS` tokens."""
        tokens = int(examples.lengths.max()) * examples.inputs_each
        return max(1, min(CALIBRATION_BATCH, CALIBRATION_TOKENS // tokens))

    def count(self, model: nn.Module) -> FlopCount:
        """Return the FLOPs by length in tokens."""
        return flop_count(model)

    def flops(self, model: nn.Module, lengths: ArrayLike) -> float:
        """Return the mean FLOPs over lengths in tokens."""
        return count_flops(model, lengths)

    def positions(self, model: nn.Module, paths: Sequence[str], lengths: ArrayLike) -> dict[str, float]:
        """Return at how many positions layers are applied, mean over lengths in tokens."""
        return positions_of_texts(model, paths, lengths)

    def vocabulary(self, model: nn.Module, calibration: AnyExamples) -> Vocabulary | None:
        """Return where tokens are embedded and how often each occurs; None for a tokenizer without an unknown token."""
        if self.tokenizer is None or self.tokenizer.unk_token_id is None:
            return None
        words = row_of(model).words
        names = (name for name, _ in model.named_parameters() if name.endswith(words))
        counts = partial(self._token_counts, cast("Examples", calibration))
        return Vocabulary(path=next(names).rpartition(".")[0], unknown=self.tokenizer.unk_token_id, counts=counts)

    def _token_counts(self, calibration: Examples) -> Tensor:
        """Return how often each token id occurs in the calibration texts and in what is left of train."""
        corpora = [calibration] if self._corpus is None else [calibration, self._corpus()]
        ids = np.concatenate([row for examples in corpora for row in examples.token_ids])
        counts = torch.from_numpy(np.bincount(ids, minlength=len(self.tokenizer)))
        counts[self.tokenizer.all_special_ids] = MOST_FREQUENT
        return counts

    def save(self, model: Any, place: Path, *, dtype: str) -> None:
        """Write configuration and tokenizer, so that transformers loads it as well."""
        save_stock(model, place, dtype=dtype)
        self.tokenizer.save_pretrained(place)


def request_of(length: int, vocabulary: int, device: torch.device) -> Request:
    """Return a function that makes requests of `length` random tokens: times depend on shapes alone."""

    def make(batch: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(0)
        tokens = torch.randint(0, vocabulary, (batch, length), generator=generator)
        return {"input_ids": tokens.to(device), "attention_mask": torch.ones_like(tokens).to(device)}

    return make


def _requests_of(examples: Examples, device: torch.device) -> list[dict[str, Tensor]]:
    """Return the shortest example with the longest, then batches of all lengths, including a batch of one example.

    The first batch is for tracing a graph: two rows of different lengths.
    """
    order = examples.lengths.argsort(kind="stable")
    spread = order[np.linspace(0, len(order) - 1, ONNX_CHECKED).astype(int)]
    chosen = [order[[0, -1]], *np.array_split(spread, 3), order[[len(order) // 2]]]
    batches = [next(examples.subset(places).batches(batch_size=len(places), device=device)) for places in chosen]
    return [{name: tensor for name, tensor in batch.items() if name not in TARGETS} for batch in batches]
