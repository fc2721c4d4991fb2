"""The description of an image network: all that rebuilds it, dense or pruned, and normalises its inputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from objectives.device import device_of
from optimizer.errors import InputError
from optimizer.families.encoders.loading import model_class
from optimizer.families.networks.classifier import ImageClassifier
from optimizer.families.networks.models import new_model
from optimizer.families.networks.names import DESCRIPTION
from optimizer.tasks.images.examples import PIXELS
from optimizer.torchvision_ops import admit_torchvision
from optimizer.training.randomness import own_randomness
from search_spaces.layouts.description import described
from search_spaces.layouts.layout import Layout
from search_spaces.layouts.modeling_pruned import reshape
from search_spaces.layouts.named import named_layout
from search_spaces.layouts.traced.discover import discover_channels

Source = Literal["name", "torchvision", "transformers", "module"]
Make = Callable[[], nn.Module]


class Network(BaseModel):
    """A dense network sized for images of `shape` (channels first).

    `source` says who builds it: this project by its `name`, torchvision by that name, transformers from `config`, or
    the caller, whose own module it is. `by_row`: its parts are known by the row of its architecture. Its inputs are
    pixels between 0 and 255, minus `mean`, divided by `spread`, each per channel. `pruned` is how the network that the
    study began with differs from that architecture: it was the export of another study. `labels` are the names of the
    classes, where they have any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: Source = "name"
    config: dict[str, Any] | None = None  # Any: JSON data
    shape: tuple[int, int, int]
    classes: int
    round_to: int
    by_row: bool = False
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    pruned: dict[str, dict[str, Any]] | None = None  # Any: JSON data
    labels: tuple[str, ...] = ()

    def build(self, into: Make | None = None) -> nn.Module:
        """Return the dense network, untrained, in evaluation mode; a caller's own module is made by `into`.

        Raises `InputError` where `into` is missing, or given for a network that needs none.
        """
        if (into is None) == (self.source == "module"):
            raise InputError("into", _about_into(self.name, is_needed=into is None))
        model = self.called(into() if into else self._net())
        reshape(model, self.pruned or {})
        return model.eval()

    def of_export(self, net: nn.Module) -> dict[str, dict[str, Any]]:
        """Return how an exported network differs from the architecture."""
        return described(self.called(self._net()), self.called(net))

    def called(self, net: nn.Module) -> nn.Module:
        """Return the network such that it is called and answers as classifiers of transformers do."""
        return net if self.by_row else ImageClassifier(net)

    def layout_of(self, model: nn.Module) -> Layout:
        """Return what can be pruned of it, traced and proven on two random images unless its architecture has a row.

        Raises `UnprunableModelError`.
        """
        if self.by_row:
            return named_layout(model)
        images = torch.randn(2, *self.shape, generator=torch.Generator().manual_seed(0))
        return discover_channels(model, {PIXELS: images.to(device_of(model))}, round_to=self.round_to)

    def example(self, model: nn.Module) -> dict[str, torch.Tensor]:
        """Return one image of zeros on the model's device."""
        return {PIXELS: torch.zeros(1, *self.shape, device=device_of(model))}

    def _net(self) -> nn.Module:
        if self.source == "transformers":
            return _of_transformers(self.config or {})
        in_torchvision = self.source == "torchvision"
        return new_model(self.name, self.shape, self.classes, seed=0, from_torchvision=in_torchvision)

    def save(self, place: Path) -> None:
        """Write it to a directory."""
        unknown_before = {name for name in ("pruned", "labels") if not getattr(self, name)}  # to older readers
        (place / DESCRIPTION).write_text(self.model_dump_json(indent=1, exclude=unknown_before), encoding="utf-8")


def read_network(place: Path) -> Network | None:
    """Return what `Network.save` wrote, None where it wrote nothing."""
    path = place / DESCRIPTION
    return Network.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else None


def _of_transformers(config: dict[str, Any]) -> nn.Module:
    admit_torchvision()
    from transformers import AutoConfig

    known, said = model_class(config, "AutoModelForImageClassification"), AutoConfig.for_model(**config)
    with own_randomness(0, torch.device("cpu")):
        net: nn.Module = known._from_config(said) if "pruned" in config else known.from_config(said)
    return net


def _about_into(name: str, *, is_needed: bool) -> str:
    if is_needed:
        return f"{name!r} is your own module; pass its constructor: load_pruned(DIR, into=lambda: MyNetwork(…))"
    return f"{name!r} is built from its manifest; leave it out"
