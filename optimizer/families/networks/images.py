"""Images: requests of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from objectives.flops import FlopLaw, request_flops
from objectives.measurement import JsonScalar
from objectives.positions import positions_in
from optimizer.backends.backend import OnnxInputs
from optimizer.costs.request import Request
from optimizer.errors import InputError
from optimizer.families.encoders.stock import is_stock, save_stock
from optimizer.families.networks.network import Network
from optimizer.families.networks.processor import Processor
from optimizer.tasks.images.examples import PIXELS, ImageExamples
from optimizer.tasks.texts.examples import AnyExamples
from search_spaces.layouts.requests import Inputs, noise_requests

CALIBRATION_BATCH = 64
CALIBRATION_PIXELS = 2048 * 16 * 16  # of one channel: 2,048 patches of the usual size
CHECKED = (2, 1, 5)  # batch sizes on which a graph is checked


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequests:
    """`Requests` of images of a network's shape."""

    network: Network
    device: torch.device
    processor: Processor | None = None
    length = 1

    @property
    def shape(self) -> dict[str, JsonScalar]:
        """The shape of an image, channels first."""
        return self.conditions()

    def at(self, length: int) -> ImageRequests:
        """Raise `InputError`: an image has no length."""
        raise InputError("further_lengths", f"are of texts, and an image has no length of {length}; leave them out")

    def conditions(self) -> dict[str, JsonScalar]:
        """Return the shape of an image, channels first."""
        return {"image": "×".join(map(str, self.network.shape))}

    def request(self) -> Request:
        """Return a function that makes requests of random images."""

        def make(batch: int) -> dict[str, Tensor]:
            generator = torch.Generator().manual_seed(0)
            return {PIXELS: torch.randn(batch, *self.network.shape, generator=generator).to(self.device)}

        return make

    def proving(self) -> list[Inputs]:
        """Return two random images."""
        return noise_requests(PIXELS, self.network.shape, self.device)

    def onnx_inputs(self, examples: AnyExamples) -> OnnxInputs:
        """Return batches of different sizes; the batch dimension is dynamic."""
        images = cast("ImageExamples", examples).pixels.to(self.device)
        chosen = (torch.arange(size) % len(images) for size in CHECKED)
        return OnnxInputs(requests=[{PIXELS: images[some]} for some in chosen], free=("batch",))

    def batch_size(self, examples: AnyExamples) -> int:
        """Return as many images as have about `CALIBRATION_PIXELS` pixels."""
        height, width = self.network.shape[1:]
        return max(1, min(CALIBRATION_BATCH, CALIBRATION_PIXELS // (height * width)))

    def count(self, model: nn.Module) -> FlopLaw:
        """Return the FLOPs of an image."""
        return request_flops(model, self.network.example(model))

    def flops(self, model: nn.Module, lengths: ArrayLike) -> float:
        """Return the FLOPs of an image."""
        return self.count(model).mean(lengths)

    def positions(self, model: nn.Module, paths: Sequence[str], lengths: ArrayLike) -> dict[str, float]:
        """Return at how many positions of an image layers are applied."""
        return positions_in(model, paths, self.network.example(model))

    def vocabulary(self, model: nn.Module, calibration: AnyExamples) -> None:
        """Return None: images have no tokens."""

    def save(self, model: nn.Module, place: Path, *, dtype: str) -> None:
        """Write what the network is built from, here and in transformers where it is theirs, and its processor."""
        self.network.save(place)
        if self.network.by_row and is_stock(model):
            save_stock(model, place, dtype=dtype)
        if self.processor:
            self.processor.save(place)
