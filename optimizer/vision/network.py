"""A network of images written down: what it takes to build it again, dense or pruned, and to feed it."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from optimizer.vision.classifier import ImageClassifier
from optimizer.vision.examples import PIXELS
from optimizer.vision.models import new_model
from search_spaces.channels.discover import discover_channels
from search_spaces.channels.materialize import slice_channels
from search_spaces.channels.space import ChannelSpace

FILE = "network.json"


class Network(BaseModel):
    """A dense network by name, sized for images of `shape` (channels first).

    Its inputs are pixels between 0 and 255, less `mean`, divided by `spread`, each per channel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    shape: tuple[int, int, int]
    classes: int
    round_to: int
    mean: tuple[float, ...]
    spread: tuple[float, ...]

    def build(self) -> ImageClassifier:
        """Return the dense network, untrained, in evaluation mode."""
        return ImageClassifier(new_model(self.name, self.shape, self.classes, seed=0)).eval()

    def channels_of(self, model: nn.Module) -> ChannelSpace:
        """Return what can be pruned of it. Raises `UnprunableModelError`."""
        return discover_channels(model, {PIXELS: torch.zeros(2, *self.shape)}, round_to=self.round_to)

    def pruned(self, kept: dict[str, int]) -> nn.Module:
        """Return a network that keeps so many units of each group, its weights still to be loaded."""
        model = self.build()
        space = self.channels_of(model)
        return slice_channels(model, space, {g.name: torch.arange(kept[g.name]) for g in space.groups})

    def save(self, place: Path) -> None:
        """Write it to a directory."""
        (place / FILE).write_text(self.model_dump_json(indent=1), encoding="utf-8")


def read_network(place: Path) -> Network | None:
    """Return what `Network.save` wrote, None where it wrote nothing."""
    path = place / FILE
    return Network.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else None
