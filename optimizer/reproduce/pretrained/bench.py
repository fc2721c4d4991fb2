"""The bench of one network: its dense weights, its images in three roles, and what is chosen for it once.

Images to choose by are one half of the test images, those that are reported the other; training images are a third
role. What is trained or chosen is kept in the cache, so that a killed run resumes with exactly the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import nn

from optimizer.errors import InputError
from optimizer.families.networks.models import new_model
from optimizer.families.networks.origins import WeightsFile
from optimizer.families.networks.torchvision_models import PublishedWeights, published_weights
from optimizer.reproduce.pretrained.choose import Chosen, Judge, choose_bits, choose_ranks, choose_rate, kept
from optimizer.reproduce.pretrained.form import Splits
from optimizer.reproduce.pretrained.records import PretrainedKey
from optimizer.tasks.images.data import ImageData, Images, stratified_indices
from optimizer.training.images import TrainingSettings, train
from optimizer.weights import hash_weights
from search_spaces.transforms.entries import read_entry, write_entry

VERSION = 1  # raise when a choice or a training computes something else
BASE_RATE = 1e-3  # of Adam, for a network without weights of its own


class Bench:
    """The dense network of the runs that share a key but for their configurations."""

    def __init__(self, key: PretrainedKey, data: ImageData, *, has_weights: bool, cache_dir: Path) -> None:
        self.key, self._has_weights, self._cache = key, has_weights, cache_dir
        self.train, self.notes, self._data = data.train, data.notes, data
        self.search, self.verification = _halves(data.test)

    @cached_property
    def dense(self) -> nn.Module:
        """The pretrained network, on the GPU where there is one."""
        net = self._published() if self._has_weights else self._trained()
        return net.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    @cached_property
    def judge(self) -> Judge:
        """What every choice is made by."""
        return Judge.of(self.dense, self.search, self.key.tolerance)

    @cached_property
    def splits(self) -> Splits:
        """The decompositions of its layers."""
        return Splits(self.dense)

    @cached_property
    def bits(self) -> Chosen:
        """The number of bits to zero."""
        return self._kept("bits", lambda: choose_bits(self.dense, self.judge))

    @cached_property
    def rate(self) -> Chosen:
        """The share of weights to prune."""
        return self._kept("rate", lambda: choose_rate(self.dense, self.judge))

    @cached_property
    def ranks(self) -> Chosen:
        """The rank of each layer, by itself."""
        return self._kept("ranks", lambda: choose_ranks(self.splits, self.judge, steps=self.key.rank_steps))

    def _kept(self, what: str, choose: Callable[[], Chosen]) -> Chosen:
        seen = sha256(self.search.pixels.numpy().tobytes()).hexdigest()
        recipe = [VERSION, what, hash_weights(self.dense), seen, self.key.tolerance, self.key.rank_steps]
        return kept(self._place(f"{self.key.model}-{what}", recipe).with_suffix(".json"), Chosen, choose)

    def _place(self, name: str, recipe: list[object]) -> Path:
        return self._cache / "reproduce" / f"{name}-{sha256(json.dumps(recipe).encode()).hexdigest()[:24]}"

    def _trained(self) -> nn.Module:
        """Return the network trained on the training images, or the weights that an earlier run has kept."""
        key, data = self.key, self._data
        net = new_model(key.model, data.shape, data.classes, seed=key.seed)
        learnt = sha256(self.train.pixels.numpy().tobytes()).hexdigest()
        recipe = [VERSION, hash_weights(net), learnt, key.base_epochs, key.batch_size, BASE_RATE, key.seed]
        place = self._place(key.model, recipe).with_suffix(".safetensors")
        weights = read_entry(place)
        if weights is None:
            settings = TrainingSettings(
                epochs=key.base_epochs, batch_size=key.batch_size, learning_rate=BASE_RATE, seed=key.seed
            )
            train(net, self.train, settings)
            write_entry(place, net.state_dict())
        else:
            net.load_state_dict(weights)
        return net

    def _published(self) -> nn.Module:
        """Return the network with torchvision's weights."""
        origin = WeightsFile(self.key.model, fetched_weights(self.key.model).file)
        return origin.dense(self._data.shape, self._data.classes).net


def fetched_weights(model: str) -> PublishedWeights:
    """Return torchvision's weights of a network, fetched where torch does not have them yet. Raises `InputError`."""
    weights = published_weights(model)
    if not weights.file.exists():
        weights.file.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(weights.url, str(weights.file), progress=False)
        except OSError as error:
            raise InputError("model", f"cannot fetch {weights.url} ({error}); download it to {weights.file}") from error
    return weights


def _halves(images: Images) -> tuple[Images, Images]:
    """Return two stratified halves, the same in every run."""
    first = stratified_indices(images.labels.numpy(), len(images) // 2, 0)
    second = np.setdiff1d(np.arange(len(images)), first)
    one, other = (torch.from_numpy(places) for places in (first, second))
    return Images(images.pixels[one], images.labels[one]), Images(images.pixels[other], images.labels[other])
