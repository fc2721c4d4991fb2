"""Requests: what a kind of model reads, and how it is asked when it is proved, timed, counted and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from numpy.typing import ArrayLike
from torch import nn

from objectives.flops import FlopCount
from objectives.measurement import JsonScalar
from optimizer.backends.backend import OnnxInputs
from optimizer.costs.request import Request
from optimizer.tasks.texts.examples import AnyExamples
from search_spaces.layouts.requests import Inputs
from search_spaces.transforms.transform import Vocabulary


class Requests(Protocol):
    """Requests of texts or of images, for one model."""

    @property
    def length(self) -> int:
        """The length of a request as examples measure theirs: tokens of a text, 1 for an image."""

    @property
    def shape(self) -> Mapping[str, JsonScalar]:
        """What the time of a request depends on, as latency tables name it."""

    def at(self, length: int) -> Requests:
        """Return the same with another length. Raises `InputError` where a request has none."""

    def conditions(self) -> dict[str, JsonScalar]:
        """Return the same as measurements name it."""

    def request(self) -> Request:
        """Return a function that makes requests of random contents: times depend on shapes alone."""

    def proving(self) -> list[Inputs]:
        """Return the inputs on which a row is proved."""

    def onnx_inputs(self, examples: AnyExamples) -> OnnxInputs:
        """Return the examples with which an ONNX graph is traced and checked."""

    def batch_size(self, examples: AnyExamples) -> int:
        """Return the number of calibration examples in a batch: a backward pass holds the outputs of every layer."""

    def count(self, model: nn.Module) -> FlopCount:
        """Return the FLOPs of a model by length. Raises `UncountableModelError`."""

    def flops(self, model: nn.Module, lengths: ArrayLike) -> float:
        """Return the mean FLOPs of a model over `lengths` `(n,)`. Raises `UncountableModelError`."""

    def positions(self, model: nn.Module, paths: Sequence[str], lengths: ArrayLike) -> Mapping[str, float]:
        """Return at how many positions of an example the layers at `paths` are applied, mean over `lengths` `(n,)`."""

    def vocabulary(self, model: nn.Module, calibration: AnyExamples) -> Vocabulary | None:
        """Return the tokens of texts, None where a vocabulary cannot shrink."""

    def save(self, model: nn.Module, place: Path, *, dtype: str) -> None:
        """Write what a model is built from, and what turns a text or an image into a request."""
