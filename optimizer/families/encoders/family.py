"""Text encoders: heads and FFN neurons, additive costs, requests of tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from objectives.flops import count_flops, flop_count
from objectives.measurement import JsonScalar
from objectives.size import WrittenAs, count_parameters, size_bytes
from optimizer.costs import Cost, flops_cost, linear_cost, parameters_cost
from optimizer.errors import InputError
from optimizer.families.encoders.stock import save_stock
from optimizer.families.encoders.storage import Storage
from optimizer.families.family import Saved
from optimizer.families.subject import Subject
from optimizer.handover.manifest import LayerShape
from optimizer.handover.onnx import OnnxInputs
from optimizer.latency.blocks import block_latency
from optimizer.request import Request
from optimizer.tasks.task import TARGETS, contrasts, summed_loss
from search_spaces.groups import Group
from search_spaces.layouts.layout import Layout, UnprunableModelError
from search_spaces.layouts.named import layer_widths, named_layout, row_of
from search_spaces.layouts.proof import prove
from search_spaces.layouts.requests import token_requests
from search_spaces.transforms.transform import Dense, Vocabulary
from search_spaces.transforms.units.materialize import outline

if TYPE_CHECKING:
    from optimizer.spec import CriterionName, StudySpec
    from optimizer.tasks.texts.examples import Examples

CALIBRATION_BATCH = 64
CALIBRATION_TOKENS = 2048
MOST_FREQUENT = 1 << 40  # occurrences: what the tokenizer adds itself is never rare
ONNX_CHECKED = 24  # examples on which a graph is checked


class EncoderFamily:
    """`Family` of the text encoders that have a row (`search_spaces/layouts/rows.py`).

    `sequence_length` is the length of a latency request in tokens; `storage` holds the types in which its models are
    written; `corpus` prepares what is left for training.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        tokenizer: Any,  # Any: transformers is untyped
        sequence_length: int,
        storage: Storage | None = None,
        corpus: Callable[[], Examples] | None = None,
    ) -> None:
        self._subject, self.tokenizer = subject, tokenizer
        self.sequence_length, self.storage = sequence_length, storage or Storage()
        self._corpus = corpus
        self.layout = _proved_layout(subject)

    def of(self, subject: Subject) -> EncoderFamily:
        """Return the family of another dense model with the same tokenizer, requests and storage."""
        return EncoderFamily(
            subject,
            tokenizer=self.tokenizer,
            sequence_length=self.sequence_length,
            storage=self.storage,
            corpus=self._corpus,
        )

    def dense(self, criterion: CriterionName) -> Dense:
        """Return the encoder with its calibration texts."""
        examples, subject = cast("Examples", self._subject.calibration), self._subject
        return Dense(
            model=subject.model,
            find_layout=lambda: self.layout,
            weights_hash=subject.weights_hash,
            examples_hash=examples.hash,
            batches=lambda: examples.batches(batch_size=_calibration_batch(examples), device=subject.device),
            loss=summed_loss(subject.task),
            answers=contrasts(subject.task),
            rounded=self.storage.rounded,
            criterion=criterion,
            vocabulary=self._vocabulary(),
        )

    def _vocabulary(self) -> Vocabulary | None:
        if self.tokenizer is None or self.tokenizer.unk_token_id is None:
            return None
        words = row_of(self._subject.model).words
        names = (name for name, _ in self._subject.model.named_parameters() if name.endswith(words))
        return Vocabulary(
            path=next(names).rpartition(".")[0], unknown=self.tokenizer.unk_token_id, counts=self._token_counts
        )

    def _token_counts(self) -> Tensor:
        """Return how often each token id occurs in the calibration texts and in what is left of train."""
        calibration = cast("Examples", self._subject.calibration)
        corpora = [calibration] if self._corpus is None else [calibration, self._corpus()]
        ids = np.concatenate([row for examples in corpora for row in examples.token_ids])
        counts = torch.from_numpy(np.bincount(ids, minlength=len(self.tokenizer)))
        counts[self.tokenizer.all_special_ids] = MOST_FREQUENT
        return counts

    def costs(self) -> dict[str, Cost]:
        """Return FLOPs, parameters and size, which are additive over groups."""
        model, groups = self._subject.model, self.layout.groups
        parameters = parameters_cost(model, self.layout, count_parameters(model))
        per_unit = {g.name: self._bytes_each(model, g) * parameters.levels[g.name][g.units] / g.units for g in groups}
        return {
            "flops": flops_cost(
                self.layout,
                lambda config: flop_count(outline(model, self.layout, config)),
                self._subject.search.lengths,
            ),
            "parameters": parameters,
            "size": linear_cost(groups, per_unit, float(size_bytes(model, self.storage.dtype))),
        }

    def latency(self, spec: StudySpec, cache_dir: Path) -> Cost:
        """Return the seconds of a request, from a table of isolated blocks."""
        return block_latency(
            spec,
            self._subject.model,
            self.layout.groups,
            request=self.request(),
            length=self.sequence_length,
            cache_dir=cache_dir,
        )

    @property
    def written_as(self) -> WrittenAs:
        """The type of the checkpoint."""
        return self.storage.dtype

    def flops(self, model: nn.Module) -> float:
        """Return the FLOPs, mean over the unpadded lengths of the search examples."""
        return count_flops(model, self._subject.search.lengths)

    def request(self) -> Request:
        """Return a function that makes requests of random tokens."""
        return request_of(self.sequence_length, int(self._subject.model.config.vocab_size), self._subject.device)

    def onnx_inputs(self) -> OnnxInputs:
        """Return padded batches of search examples with the tokenizer's inputs; batch and length are dynamic."""
        return OnnxInputs(
            requests=_requests_of(cast("Examples", self._subject.search), self._subject.device),
            free=("batch", "length"),
        )

    def request_flops(self, model: nn.Module) -> float:
        """Return the FLOPs at the request's length."""
        return count_flops(model, [self.sequence_length])

    def tensors(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the tensors in the types of the checkpoint."""
        return self.storage.tensors(model)

    def save(self, model: nn.Module, place: Path) -> Saved:
        """Write configuration and tokenizer, so that transformers loads it as well."""
        save_stock(model, place, dtype=self.storage.name)
        self.tokenizer.save_pretrained(place)
        layers = tuple(LayerShape(heads=heads, neurons=neurons) for heads, neurons in layer_widths(model))
        return Saved(str(self._subject.model.config.model_type), layers)

    def conditions(self) -> dict[str, JsonScalar]:
        """Return the length in tokens."""
        return {"sequence_length": self.sequence_length}

    def _bytes_each(self, model: nn.Module, group: Group) -> int:
        name = f"{group.consumers[0]}.weight"
        return self.storage.dtype(name, model.get_parameter(name)).itemsize


def _proved_layout(subject: Subject) -> Layout:
    """Return the layout of the model. Raises `InputError` where its architecture's row does not hold for it."""
    try:
        layout = named_layout(subject.model)
        prove(subject.model, layout, token_requests(int(subject.model.config.vocab_size), subject.device))
    except UnprunableModelError as error:
        raise InputError("model", str(error)) from error
    return layout


def _requests_of(examples: Examples, device: torch.device) -> list[dict[str, Tensor]]:
    """Return the shortest example with the longest, then batches of all lengths, including a batch of one example.

    The first batch is for tracing a graph: two rows of different lengths.
    """
    order = examples.lengths.argsort(kind="stable")
    spread = order[np.linspace(0, len(order) - 1, ONNX_CHECKED).astype(int)]
    chosen = [order[[0, -1]], *np.array_split(spread, 3), order[[len(order) // 2]]]
    batches = [next(examples.subset(places).batches(batch_size=len(places), device=device)) for places in chosen]
    return [{name: tensor for name, tensor in batch.items() if name not in TARGETS} for batch in batches]


def request_of(length: int, vocabulary: int, device: torch.device, *, seed: int = 0) -> Request:
    """Return a function that makes requests of `length` random tokens: times depend on shapes alone."""

    def make(batch: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        tokens = torch.randint(0, vocabulary, (batch, length), generator=generator)
        return {"input_ids": tokens.to(device), "attention_mask": torch.ones_like(tokens).to(device)}

    return make


def _calibration_batch(examples: Examples) -> int:
    """Return the batch size: a backward pass holds the outputs of every layer for the whole batch."""
    return max(1, min(CALIBRATION_BATCH, CALIBRATION_TOKENS // int(examples.lengths.max())))
