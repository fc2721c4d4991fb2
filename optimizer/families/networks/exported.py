"""Exported: a network that an earlier study exported, as the dense network of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from optimizer.errors import InputError
from optimizer.families.encoders.checkpoint import label_names
from optimizer.families.encoders.storage import Storage
from optimizer.families.encoders.weights import stored_tensors
from optimizer.families.networks.network import Network, read_network
from optimizer.families.networks.origins import TRAINED_ELSEWHERE, Dense
from optimizer.families.networks.processor import Processor, read_processor
from optimizer.handover.loading import load_pruned
from optimizer.tasks.images.data import Normalisation
from optimizer.tasks.images.known import Shape


@dataclass(frozen=True)
class Exported:
    """A directory with the description of a network and its weights, which were checked."""

    directory: Path

    @cached_property
    def network(self) -> Network:
        """What it was exported from."""
        found = read_network(self.directory)
        if found is None:
            raise InputError("model", f"{self.directory} has no description of a network; export it again")
        return found

    @property
    def normalisation(self) -> Normalisation:
        """What its images were normalised by."""
        return Normalisation(self.network.mean, self.network.spread)

    @property
    def processor(self) -> Processor | None:
        """What prepared its images; None in exports of earlier versions."""
        return read_processor(self.directory, self.network.shape[0])

    @property
    def labels(self) -> Mapping[int, str]:
        """The names in its configuration."""
        return label_names(self.network.config) if self.network.config else {}

    def dense(self, shape: Shape, classes: int) -> Dense:
        """Return the network as it was exported. Raises `InputError` for images or classes that it was not made for."""
        own = self.network
        if (shape, classes) != (own.shape, own.classes):
            raise InputError(
                "model",
                f"{self.directory} takes images of {_words(own.shape)} in {own.classes} classes, these are of "
                f"{_words(shape)} in {classes}",
            )
        stored = stored_tensors(self.directory)
        return Dense(
            net=load_pruned(self.directory).net,
            source=own.source,
            learning_rate=None,
            notes=(f"{self.directory.name} was pruned before; drops and ratios refer to it", TRAINED_ELSEWHERE),
            storage=Storage.of_stored(stored),
            before=own,
        )


def _words(shape: Shape) -> str:
    return "×".join(map(str, shape))
