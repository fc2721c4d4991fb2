"""Origins: where the dense network of an image study comes from, how images are normalised, what is left to train."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import nn

from optimizer.errors import InputError
from optimizer.families.encoders.checkpoint import label_names
from optimizer.families.encoders.loading import check_finite, model_class, pretrained
from optimizer.families.encoders.storage import Storage
from optimizer.families.encoders.weights import check_float, stored_tensors
from optimizer.families.networks.classifier import ImageClassifier
from optimizer.families.networks.models import new_model
from optimizer.families.networks.network import Network, Source
from optimizer.families.networks.processor import FILE as PROCESSOR
from optimizer.families.networks.processor import Processor, has_processor, read_processor
from optimizer.families.networks.weights import fit_weights, read_weights
from optimizer.tasks.images.data import Normalisation
from optimizer.tasks.images.known import Shape
from optimizer.training.randomness import own_randomness
from search_spaces.layouts.layout import UnprunableModelError
from search_spaces.layouts.named import encoder_part
from search_spaces.soundness import check_own_weights, check_sound

FROM_NOTHING, FINE_TUNING = 2e-3, 2e-4  # learning rates of AdamW
HEAD = re.compile(r"classifier|pooler")  # in the names of weights that only a trained head has
TRAINED_ELSEWHERE = (
    "the network was already trained: if its training used search or verification images, drops on them look smaller "
    "than they are"
)
IMAGENET = Normalisation(
    mean=(0.485 * 255, 0.456 * 255, 0.406 * 255), spread=(0.229 * 255, 0.224 * 255, 0.225 * 255)
)  # what torchvision's weights were trained on
TO_ONE = Normalisation(mean=(127.5,) * 3, spread=(127.5,) * 3)  # what those of inception were, between -1 and 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """A dense network. `learning_rate` is that of the training it still needs, None if it is already trained."""

    net: nn.Module
    source: Source
    learning_rate: float | None
    notes: tuple[str, ...] = ()
    storage: Storage = field(default_factory=Storage)
    before: Network | None = None


class Origin(Protocol):
    """Where the dense network comes from."""

    @property
    def normalisation(self) -> Normalisation | None:
        """What its images are normalised by; None if its processor or the data decide."""

    @property
    def processor(self) -> Processor | None:
        """What prepares its images; None if nothing was saved with it. Raises `InputError` for a broken one."""

    @property
    def labels(self) -> Mapping[int, str]:
        """The names by which its head calls classes, by id, if it does. Raises `InputError` for a wrong numbering."""

    def dense(self, shape: Shape, classes: int) -> Dense:
        """Return the network for images of `shape`. Raises `InputError` where it takes no such images."""


@dataclass(frozen=True, slots=True)
class Untrained:
    """An architecture by its name, trained here."""

    name: str
    normalisation = None
    processor = None
    labels: ClassVar[Mapping[int, str]] = {}

    def dense(self, shape: Shape, classes: int) -> Dense:
        """Return the network with fresh weights."""
        return Dense(net=new_model(self.name, shape, classes, seed=0), source="name", learning_rate=FROM_NOTHING)


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """torchvision's architecture with a file of its weights; ImageNet's stem, for images of any size."""

    name: str
    file: Path
    processor = None
    labels: ClassVar[Mapping[int, str]] = {}

    @property
    def normalisation(self) -> Normalisation:
        """What the weights were trained with."""
        return TO_ONE if self.name == "inception_v3" else IMAGENET

    def dense(self, shape: Shape, classes: int) -> Dense:
        """Return the network; if the file has another number of classes, it has a new head, to be fine-tuned."""
        net = new_model(self.name, shape, classes, seed=0, from_torchvision=True)
        weights = read_weights(self.file)
        keeps_head = fit_weights(net, weights, self.file)
        check_finite(net)
        notes = _notes(self.file.name, keeps_head=keeps_head)
        if max(shape[1:]) < 224:
            notes = (*notes, f"the weights were trained on 224 pixels or more, these images have {max(shape[1:])}")
        return Dense(
            net=net,
            source="torchvision",
            learning_rate=None if keeps_head else FINE_TUNING,
            notes=notes,
            storage=Storage.like((name, tensor.dtype, tensor.numel()) for name, tensor in weights.items()),
        )


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A directory that `save_pretrained` of transformers wrote."""

    directory: Path
    normalisation = None

    @property
    def processor(self) -> Processor | None:
        """The image processor that was saved with it."""
        part = self._config.get("vision_config", self._config)
        return read_processor(self.directory, int(part.get("num_channels", 3)))

    @property
    def labels(self) -> Mapping[int, str]:
        """The names in its configuration."""
        return label_names(self._config)

    @property
    def _config(self) -> dict[str, Any]:  # Any: JSON data, checked before
        found: dict[str, Any] = json.loads((self.directory / "config.json").read_text(encoding="utf-8"))
        return found

    def dense(self, shape: Shape, classes: int) -> Dense:
        """Return the network; if the checkpoint has another number of classes, it has a new head, to be fine-tuned."""
        stored = stored_tensors(self.directory)
        check_float(stored)
        known = model_class(self._config, "AutoModelForImageClassification")
        net, loaded = pretrained(known, self.directory, num_labels=classes, ignore_mismatched_sizes=True)
        absent = {*loaded["missing_keys"], *(name for name, *_ in loaded["mismatched_keys"])}
        if strange := sorted(name for name in absent if not HEAD.search(name)):
            raise InputError("model", f"{self.directory} lacks weights that fit its config.json: {strange[0]}")
        check_finite(net)
        config = encoder_part(net.config)
        config.per_layer_config = None  # `save_stock` writes it again
        if config.num_channels != shape[0]:
            raise InputError("model", f"{self.directory} takes {config.num_channels} channels, images have {shape[0]}")
        remedy = "" if has_processor(self.directory) else f"; save its image processor there, too ({PROCESSOR})"
        _check_answer(net, _noise(shape), classes, remedy)
        return Dense(
            net=net,
            source="transformers",
            learning_rate=FINE_TUNING if absent else None,
            notes=_notes(self.directory.name, keeps_head=not absent),
            storage=Storage.of_stored(stored),
        )


@dataclass(frozen=True, slots=True)
class GivenModule:
    """A network given in Python, trained, with its image processor if it has one; a copy of it is pruned."""

    module: nn.Module
    processor: Processor | None = None
    normalisation = None

    @property
    def labels(self) -> Mapping[int, str]:
        """The names in its configuration, where it is of transformers."""
        config = getattr(self.module, "config", None)
        return {} if config is None or not hasattr(config, "id2label") else label_names(config.to_dict())

    def dense(self, shape: Shape, classes: int) -> Dense:
        """Return a copy. Raises `InputError` unless it is of float32 and gives one logit per class."""
        _check_sound(lambda: check_own_weights(self.module))
        net = copy.deepcopy(self.module).cpu().eval()
        if other := sorted(name for name, tensor in net.named_parameters() if tensor.dtype != torch.float32):
            raise InputError("model", f"parameter {other[0]!r} is not float32; give model.float()")
        images = _noise(shape)
        _check_answer(net, images, classes)
        _check_sound(lambda: check_sound(net, images))
        return Dense(net=net, source="module", learning_rate=None, notes=(TRAINED_ELSEWHERE,))


def _check_sound(check: Callable[[], None]) -> None:
    try:
        with own_randomness(0, torch.device("cpu")):  # a network's forward may draw random numbers
            check()
    except UnprunableModelError as error:
        raise InputError("model", str(error)) from error


def _noise(shape: Shape) -> torch.Tensor:
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))


def _check_answer(net: nn.Module, images: torch.Tensor, classes: int, remedy: str = "") -> None:
    try:
        with torch.inference_mode():
            answer = ImageClassifier(net)(images).logits
    except Exception as error:  # foreign forward code may raise anything
        raise InputError(
            "model", f"cannot take images of {tuple(images.shape[1:])} ({type(error).__name__}: {error}){remedy}"
        ) from error
    if not isinstance(answer, torch.Tensor) or answer.shape != (2, classes):
        got = tuple(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
        raise InputError("model", f"must answer two images with logits of shape (2, {classes}), got {got}")


def _notes(name: str, *, keeps_head: bool) -> tuple[str, ...]:
    if keeps_head:
        return (f"weights of {name}, its head included, on images as this task reads them", TRAINED_ELSEWHERE)
    return (f"weights of {name} with a new head; the whole network was fine-tuned on train",)
