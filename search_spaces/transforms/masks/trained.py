"""Trained networks: networks trained by a recipe, once, and kept on disk by the config's digest."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from search_spaces.config import Config, ConfigError
from search_spaces.transforms.entries import read_entry, read_metadata, write_entry
from search_spaces.transforms.masks.choose import drop_lowest, n_of_m
from search_spaces.transforms.masks.layers import MaskError, magnitudes, unit_count
from search_spaces.transforms.masks.masks import Masks
from search_spaces.transforms.masks.packed import pack, unpack
from search_spaces.transforms.masks.schedules.schedule import Schedule
from search_spaces.transforms.masks.schedules.table import TRAINED_FIRST, ScheduleName, make_schedule
from search_spaces.transforms.masks.space import ONE_SHOT, PATTERN
from search_spaces.transforms.transform import Dense, Source

VERSION = 1  # raise when a recipe comes to mean another training


class TrainedNetworks(Source):
    """The masked networks of one dense network.

    Equal configs, examples and settings give one file, whichever study asks first.
    """

    def __init__(self, dense: Dense, root: Path) -> None:
        if dense.training is None:
            raise MaskError("masks: this family cannot train its candidates; choose units")
        self._dense, self._training = dense.model, dense.training
        key = dense.key(f"masked {VERSION}, {self._training.words}", examples_hash=self._training.examples_hash)
        super().__init__(root / key.digest)

    def network_of(self, config: Config) -> nn.Module:
        """Return the network of a config, trained now or before. Raises `ValueError` where its training diverged."""
        packed = read_entry(self._path(config))
        if packed is None:
            return self._train(config)
        model = copy.deepcopy(self._dense)
        model.load_state_dict(unpack(packed))
        return model.eval()

    def training(self, config: Config) -> Mapping[str, str]:
        """Return what was kept of a config's training, nothing for a config that was never trained."""
        return read_metadata(self._path(config))

    def _path(self, config: Config) -> Path:
        return self.folder / f"{config.digest}.safetensors"

    def _state(self, config: Config) -> Path:
        """Return the file of a training that is unfinished."""
        return self.folder / f"{config.digest}.state"

    def _train(self, config: Config) -> nn.Module:
        recipe = config.recipe
        if recipe is None:
            raise ConfigError(f"a masked network needs a recipe, got {config.canonical_json()}")
        model = copy.deepcopy(self._dense if recipe.schedule in TRAINED_FIRST else self._training.initial)
        of_training: Mapping[str, str] = {}
        if recipe.schedule == ONE_SHOT:
            _mask_once(model, config.as_dict(), is_patterned=recipe.scope == PATTERN)
        else:
            schedule = make_schedule(cast("ScheduleName", recipe.schedule), recipe.swap_share)
            of_training = self._trained(model, schedule, config)
        write_entry(self._path(config), pack(model.state_dict()), metadata=of_training)
        self._state(config).unlink(missing_ok=True)
        return model.eval()

    def _trained(self, model: nn.Module, schedule: Schedule, config: Config) -> Mapping[str, str]:
        try:
            return self._training.run(model, schedule, config.as_dict(), self._state(config))
        except ValueError:  # it diverges again
            self._state(config).unlink(missing_ok=True)
            raise


def _mask_once(model: nn.Module, kept: Mapping[str, int], *, is_patterned: bool) -> None:
    """Remove the weakest of every layer at once, or all but the strongest two of every four."""
    masks = Masks(model)
    chosen: dict[str, Tensor] = {}
    for name, layer in masks.layers.items():
        removed = unit_count(layer) - kept[name]
        if removed and is_patterned and isinstance(layer, nn.Linear):
            chosen[name] = n_of_m(layer)
        elif removed:
            chosen[name] = drop_lowest(magnitudes(layer), removed)
    with torch.no_grad():
        masks.set(chosen)
