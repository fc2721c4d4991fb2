"""Image networks: what tracing finds in them, costs of whole configs, requests of images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from objectives.measurement import JsonScalar
from objectives.networks import UncountableModelError, count_network_flops, flops_by_layer
from objectives.size import WrittenAs, size_bytes
from optimizer.backends.backend import OnnxInputs
from optimizer.costs.costs import Bytes, Cost
from optimizer.costs.request import Request
from optimizer.errors import InputError
from optimizer.families.encoders.storage import Storage
from optimizer.families.family import Saved
from optimizer.families.networks.images import CALIBRATION_BATCH, ImageRequests
from optimizer.families.networks.network import Network
from optimizer.families.subject import Subject
from optimizer.latency.layers import LayerLatency, layer_latency
from optimizer.tasks.task import TARGETS
from search_spaces.layouts.layout import Layout, UnprunableModelError
from search_spaces.transforms.transform import Dense, Training
from search_spaces.transforms.units.costs import network_flops_cost, network_parameters_cost
from search_spaces.transforms.units.evidence import Criterion

if TYPE_CHECKING:
    from optimizer.spec import StudySpec


class NetworkFamily:
    """`Family` of image networks. `layout` is None where nothing asks for it, `training` where candidates have none.

    `storage` holds the types in which its models are written.
    """

    def __init__(
        self,
        requests: ImageRequests,
        subject: Subject,
        *,
        storage: Storage,
        layout: Layout | None = None,
        training: Training | None = None,
    ) -> None:
        self.requests, self._network, self._subject = requests, requests.network, subject
        self._found, self.training, self.storage = layout, training, storage

    @cached_property
    def layout(self) -> Layout:
        """What tracing finds in the network."""
        return self._found or layout_of(self._network, self._subject.model)

    @property
    def notes(self) -> tuple[str, ...]:
        """How candidates are trained, and the hidden layers that stay dense with the reasons."""
        dense = {} if self._found is None else self._found.dense
        reasons = "; ".join(f"{path} ({reason})" for path, reason in dense.items())
        stay = (f"layers that stay dense: {reasons}",) if reasons else ()
        return (*stay, *(self.training.notes if self.training else ()))

    def dense(self, criterion: str | Criterion) -> Dense:
        """Return the network with its calibration images."""
        dense = self._subject.dense(criterion, lambda: self.layout, batch_size=CALIBRATION_BATCH)
        return replace(dense, training=self.training, rounded=self.storage.rounded, written_as=self.storage.dtype)

    def bare(self, model: nn.Module) -> nn.Module:
        """Return the network itself."""
        return model.get_submodule("net")

    def costs(self) -> dict[str, Cost]:
        """Return FLOPs, parameters and size."""
        model: nn.Module = self._subject.model
        parameters = network_parameters_cost(model, self.layout)
        return {
            "flops": network_flops_cost(self.layout, flops_by_layer(model, self._network.example(model))),
            "parameters": parameters,
            "size": Bytes(parameters, float(size_bytes(model, self.written_as)), self.storage.usual.itemsize),
        }

    def latency(self, spec: StudySpec, cache_dir: Path) -> LayerLatency:
        """Return the seconds of a request, from a table of the network's layers."""
        return layer_latency(
            spec,
            self._subject.model,
            self.layout,
            request=self.request(),
            conditions=self.conditions(),
            cache_dir=cache_dir,
        )

    @property
    def written_as(self) -> WrittenAs:
        """The type of the checkpoint."""
        return self.storage.dtype

    def flops(self, model: nn.Module) -> float:
        """Return the FLOPs of one image."""
        return count_network_flops(model, self._network.example(model))

    def request(self) -> Request:
        """Return a function that makes requests of random images."""
        return self.requests.request()

    def onnx_inputs(self) -> OnnxInputs:
        """Return batches of search images, and a batch of calibration images."""
        some = self._subject.calibration.subset(range(min(CALIBRATION_BATCH, len(self._subject.calibration))))

        def calibration() -> Iterator[dict[str, Tensor]]:
            for batch in some.batches(batch_size=len(some), device=self._subject.device):
                yield {name: tensor for name, tensor in batch.items() if name not in TARGETS}

        return replace(self.requests.onnx_inputs(self._subject.search), calibration=calibration)

    def request_flops(self, model: nn.Module) -> float:
        """Return the FLOPs of one image."""
        return self.flops(model)

    def conditions(self) -> dict[str, JsonScalar]:
        """Return the shape of an image, channels first."""
        return self.requests.conditions()

    def tensors(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the tensors in the types of the checkpoint."""
        return self.storage.tensors(model)

    def save(self, model: nn.Module, place: Path) -> Saved:
        """Write the description from which the network is built, and its image processor."""
        self.requests.save(model, place, dtype=self.storage.name)
        return Saved(self._network.name)


def layout_of(network: Network, model: nn.Module) -> Layout:
    """Find the prunable groups of a network.

    Raises `InputError` naming the layer that cannot be traced or whose arithmetic cannot be counted.
    """
    try:
        layout = network.layout_of(model)
        flops_by_layer(model, network.example(model))
    except UnprunableModelError as error:
        raise InputError("model", str(error)) from error
    except UncountableModelError as error:
        raise InputError("model", f"{error}; build it from linear layers, convolutions and matmul") from error
    return layout
