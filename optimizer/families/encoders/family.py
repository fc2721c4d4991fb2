"""Encoders: heads and FFN neurons, additive costs, requests of texts or images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from objectives.measurement import JsonScalar
from objectives.size import WrittenAs, count_parameters, size_bytes
from optimizer.backends.backend import OnnxInputs
from optimizer.costs.costs import AdditiveCost, Cost, flops_cost, parameters_cost
from optimizer.costs.request import Request
from optimizer.errors import InputError
from optimizer.families.encoders.storage import Storage
from optimizer.families.family import Saved
from optimizer.families.requests import Requests
from optimizer.families.subject import Subject
from optimizer.latency.blocks import block_latency
from optimizer.manifest import LayerShape
from search_spaces.groups import Group
from search_spaces.layouts.layout import Layout, UnprunableModelError
from search_spaces.layouts.named import layer_widths, named_layout
from search_spaces.layouts.proof import prove
from search_spaces.resident import trim_memory
from search_spaces.transforms.transform import Dense
from search_spaces.transforms.units.evidence import Criterion
from search_spaces.transforms.units.materialize import outline

if TYPE_CHECKING:
    from optimizer.spec import StudySpec


class EncoderFamily:
    """`Family` of the encoders that have a row (`search_spaces/layouts/rows.py`).

    `requests` say what they read; `storage` holds the types in which its models are written; `layout` is proved here
    unless it was before.
    """

    notes: tuple[str, ...] = ()

    def __init__(
        self, subject: Subject, *, requests: Requests, storage: Storage | None = None, layout: Layout | None = None
    ) -> None:
        self._subject, self.requests, self.storage = subject, requests, storage or Storage()
        self.layout = layout or proved_layout(subject.model, requests)

    def of(self, subject: Subject) -> EncoderFamily:
        """Return the family of another dense model with the same requests and storage."""
        return EncoderFamily(subject, requests=self.requests, storage=self.storage)

    def dense(self, criterion: str | Criterion) -> Dense:
        """Return the encoder with its calibration examples."""
        examples, subject = self._subject.calibration, self._subject
        return replace(
            subject.dense(criterion, lambda: self.layout, batch_size=self.requests.batch_size(examples)),
            rounded=self.storage.rounded,
            written_as=self.storage.dtype,
            vocabulary=self.requests.vocabulary(subject.model, examples),
        )

    def bare(self, model: nn.Module) -> nn.Module:
        """Return the model."""
        return model

    def costs(self) -> dict[str, Cost]:
        """Return FLOPs, parameters and size, which are additive over groups."""
        model, lengths = self._subject.model, self._subject.search.lengths
        return {
            "flops": flops_cost(
                self.layout, lambda config: self.requests.count(outline(model, self.layout, config)), lengths
            ),
            "parameters": (parameters := parameters_cost(model, self.layout, count_parameters(model))),
            "size": self._size_cost(parameters),
        }

    def latency(self, spec: StudySpec, cache_dir: Path) -> Cost:
        """Return the seconds of a request, from a table of isolated blocks."""
        return block_latency(
            spec,
            self._subject.model,
            self.layout.groups,
            request=self.request(),
            shape=self.requests.shape,
            cache_dir=cache_dir,
        )

    @property
    def written_as(self) -> WrittenAs:
        """The type of the checkpoint."""
        return self.storage.dtype

    def flops(self, model: nn.Module) -> float:
        """Return the FLOPs, mean over the unpadded lengths of the search examples."""
        return self.requests.flops(model, self._subject.search.lengths)

    def request(self) -> Request:
        """Return a function that makes requests of random contents."""
        return self.requests.request()

    def onnx_inputs(self) -> OnnxInputs:
        """Return batches of search examples."""
        return self.requests.onnx_inputs(self._subject.search)

    def request_flops(self, model: nn.Module) -> float:
        """Return the FLOPs at the request's length."""
        return self.requests.flops(model, [self.requests.length])

    def tensors(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the tensors in the types of the checkpoint."""
        return self.storage.tensors(model)

    def save(self, model: nn.Module, place: Path) -> Saved:
        """Write what a model is built from, and what makes its requests."""
        self.requests.save(model, place, dtype=self.storage.name)
        layers = tuple(LayerShape(heads=heads, neurons=neurons) for heads, neurons in layer_widths(model))
        return Saved(str(self._subject.model.config.model_type), layers)

    def conditions(self) -> dict[str, JsonScalar]:
        """Return the shape of a request."""
        return self.requests.conditions()

    def _size_cost(self, parameters: AdditiveCost) -> AdditiveCost:
        """Return the bytes of the file; the parameters of a group are stored as its consumer's weight is."""
        model, groups = self._subject.model, self.layout.groups
        each = {group.name: self._bytes_each(model, group) for group in groups}
        of = parameters.levels
        levels = {name: {level: each[name] * of[name][level] for level in of[name]} for name in of}
        dense = float(size_bytes(model, self.storage.dtype))
        return AdditiveCost(dense - sum(levels[group.name][group.units] for group in groups), levels, dense)

    def _bytes_each(self, model: nn.Module, group: Group) -> int:
        name = f"{group.consumers[0]}.weight"
        return self.storage.dtype(name, model.get_parameter(name)).itemsize


def proved_layout(model: Any, requests: Requests) -> Layout:  # Any: one transformers class per architecture
    """Return the layout of a model. Raises `InputError` where its architecture's row does not hold for it."""
    try:
        layout = named_layout(model)
        prove(model, layout, requests.proving())
    except UnprunableModelError as error:
        raise InputError("model", str(error)) from error
    trim_memory()  # the proof made a smaller model
    return layout
