"""Trained networks: networks trained by a recipe, once, and kept on disk by the config's digest."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors import safe_open
from torch import Tensor, nn

from objectives.measurement import Measurement, Source
from optimizer.errors import MachineError
from optimizer.families.networks.classifier import ImageClassifier
from optimizer.families.networks.origins import FINE_TUNING
from optimizer.families.networks.trained import BATCH, epochs_for, learnt_part
from optimizer.spec import StudySpec
from optimizer.tasks.images.data import Images
from optimizer.tasks.images.examples import ImageExamples
from optimizer.training.images import TrainingSettings, train
from search_spaces.config import Config, ConfigError
from search_spaces.transforms.masks.choose import drop_lowest
from search_spaces.transforms.masks.layers import magnitudes, maskable_layers, unit_count
from search_spaces.transforms.masks.masks import Masks
from search_spaces.transforms.masks.packed import pack, unpack
from search_spaces.transforms.masks.pattern import n_of_m
from search_spaces.transforms.masks.schedules.schedule import Schedule
from search_spaces.transforms.masks.schedules.table import TRAINED_FIRST, ScheduleName, make_schedule
from search_spaces.transforms.masks.space import ONE_SHOT, PATTERN
from search_spaces.transforms.masks.target import Target
from search_spaces.transforms.units.bank.files import read_entry, write_entry
from search_spaces.transforms.units.bank.key import BankKey

VERSION = 1  # raise when a recipe comes to mean another training
PREFIX = "net."  # of what a classifier's network is called inside it


@dataclass(frozen=True, slots=True)
class MaskTraining:
    """What every candidate of a study begins with and is trained on: as the dense network was, masks apart."""

    initial: ImageClassifier
    images: Images
    images_hash: str
    settings: TrainingSettings


def mask_training(
    spec: StudySpec, model: ImageClassifier, pool: ImageExamples, *, learning_rate: float | None
) -> MaskTraining:
    """Return the training of the candidates of a study; all of them start from a network that was given trained."""
    learnt, _ = learnt_part(pool, spec.seed)
    return MaskTraining(
        initial=copy.deepcopy(model),
        images=Images(learnt.pixels, torch.from_numpy(learnt.labels)),
        images_hash=pool.hash,
        settings=TrainingSettings(
            epochs=spec.epochs or epochs_for(len(learnt)),
            batch_size=BATCH,
            learning_rate=learning_rate or FINE_TUNING,
            seed=spec.seed,
        ),
    )


class TrainedNetworks:
    """`Bank` of masked networks. Equal configs, images and settings give one file, whichever study asks first."""

    def __init__(self, root: Path, *, dense: ImageClassifier, weights_hash: str, training: MaskTraining) -> None:
        key = BankKey(
            weights=weights_hash,
            examples=training.images_hash,
            criterion=f"masked {VERSION}, {len(training.images)} images, {training.settings!r}",
            damping=0.0,
            dtype=str(next(dense.parameters()).dtype),
        )
        self.folder = root / key.digest
        self._dense, self._training = dense, training

    def network_of(self, config: Config) -> ImageClassifier:
        """Return the network of a config, trained now or before. Raises `ValueError` where its training diverged."""
        packed = read_entry(self._path(config))
        if packed is None:
            return self._train(config)
        model = copy.deepcopy(self._dense)
        model.load_state_dict(unpack(packed))
        return model.eval()

    def training_of(self, config: Config) -> tuple[Measurement, ...]:
        """Return the seconds and joules of a config's training; nothing for a config that was never trained."""
        path = self._path(config)
        if not path.exists():
            return ()
        with safe_open(path, framework="pt") as file:
            known: Mapping[str, str] = file.metadata() or {}
        if "seconds" not in known:
            return ()
        seconds, joules = float(known["seconds"]), float(known["joules"])
        return (
            Measurement(quantity="training_time", value=seconds, unit="s", source=Source.MEASURED),
            Measurement(quantity="training_energy", value=joules, unit="J", source=Source(known["energy_source"])),
        )

    def _path(self, config: Config) -> Path:
        return self.folder / f"{config.digest}.safetensors"

    def _train(self, config: Config) -> ImageClassifier:
        recipe = config.recipe
        if recipe is None:
            raise ConfigError(f"a masked network needs a recipe, got {config.canonical_json()}")
        begins_trained = recipe.schedule in TRAINED_FIRST
        model = copy.deepcopy(self._dense if begins_trained else self._training.initial)
        kept = {name.removeprefix(PREFIX): count for name, count in config.kept}
        if recipe.schedule == ONE_SHOT:
            _mask_once(model.net, kept, is_patterned=recipe.scope == PATTERN)
            taken: dict[str, str] = {}
        else:
            schedule = make_schedule(cast("ScheduleName", recipe.schedule), recipe.swap_share)
            taken = self._train_under(model.net, kept, schedule)
        write_entry(self._path(config), pack(model.state_dict()), metadata=taken)
        return model.eval()

    def _train_under(self, net: nn.Module, kept: Mapping[str, int], schedule: Schedule) -> dict[str, str]:
        """Train in place; return what it took, in words that go into a file."""
        units = {name: unit_count(layer) for name, layer in maskable_layers(net).items()}
        target = Target(scope="per-layer", ratios={name: 1 - kept[name] / units[name] for name in units})
        try:
            trained = train(net, self._training.images, self._training.settings, schedule=schedule, target=target)
        except MachineError as error:  # the loss is NaN or infinite: only this candidate fails
            raise ValueError(str(error)) from error
        return {
            "seconds": repr(sum(epoch.seconds for epoch in trained.epochs)),
            "joules": repr(sum(epoch.energy.value for epoch in trained.epochs)),
            "energy_source": trained.epochs[-1].energy.source.value,
        }


def _mask_once(net: nn.Module, kept: Mapping[str, int], *, is_patterned: bool) -> None:
    """Remove the weakest of every layer at once, or all but the strongest two of every four."""
    masks = Masks(net)
    chosen: dict[str, Tensor] = {}
    for name, layer in masks.layers.items():
        removed = unit_count(layer) - kept[name]
        if removed and is_patterned and isinstance(layer, nn.Linear):
            chosen[name] = n_of_m(layer)
        elif removed:
            chosen[name] = drop_lowest(magnitudes(layer), removed)
    with torch.no_grad():
        masks.set(chosen)
