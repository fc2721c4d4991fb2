"""The shared part of all image families: requests of images, FLOPs of one image, and how a network is saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from objectives.measurement import JsonScalar
from objectives.networks import count_network_flops
from optimizer.families.networks.network import Network
from optimizer.families.subject import Subject
from optimizer.handover.onnx import OnnxInputs
from optimizer.request import Request
from optimizer.tasks.images.examples import PIXELS

if TYPE_CHECKING:
    from optimizer.tasks.images.examples import ImageExamples


class ImageFamily:
    """The part of `Family` that depends on the images alone."""

    def __init__(self, network: Network, subject: Subject) -> None:
        self._network, self._shape, self._subject = network, network.shape, subject

    def flops(self, model: nn.Module) -> float:
        """Return the FLOPs of one image."""
        return count_network_flops(model, self._network.example(model))

    def request(self) -> Request:
        """Return a function that makes requests of random images."""

        def make(batch: int) -> dict[str, Tensor]:
            generator = torch.Generator().manual_seed(0)
            return {PIXELS: torch.randn(batch, *self._shape, generator=generator).to(self._subject.device)}

        return make

    def onnx_inputs(self) -> OnnxInputs:
        """Return batches of search images with different batch sizes; the batch dimension is dynamic."""
        images = cast("ImageExamples", self._subject.search).pixels.to(self._subject.device)
        chosen = (torch.arange(size) % len(images) for size in (2, 1, 5))
        return OnnxInputs(requests=[{PIXELS: images[some]} for some in chosen], free=("batch",))

    def request_flops(self, model: nn.Module) -> float:
        """Return the FLOPs of one image."""
        return self.flops(model)

    def conditions(self) -> dict[str, JsonScalar]:
        """Return the shape of an image, channels first."""
        return {"image": "×".join(map(str, self._shape))}

    def tensors(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the tensors unchanged."""
        return {name: tensor.detach() for name, tensor in model.state_dict().items()}

    def save(self, place: Path) -> str:
        """Write the description from which the network is built."""
        self._network.save(place)
        return self._network.name
