"""Units, rank and bits together: what a config builds is what its steps build one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from digit_networks import ResidualCnn
from tiny_checkpoints import save_data, save_tiny
from torch import Tensor, nn

from objectives.size import count_parameters
from optimizer.families.encoders.load import load_workload
from optimizer.given import NOTHING, Given
from optimizer.pipeline import Pipeline
from optimizer.spec import StudySpec
from optimizer.tasks.images.data import load_images
from optimizer.workload import Workload
from search_spaces.config import Config, Form
from search_spaces.groups import GroupKind, dense_config
from search_spaces.layouts.layout import Side
from search_spaces.layouts.stored import stored_of
from search_spaces.transforms.bits.rounding import rounded
from search_spaces.transforms.table import BITS, RANK, UNITS

ALL = (UNITS, RANK, BITS)
DRAWN = 4  # configs of a network
NOT_MONOTONE: dict[str, set[str]] = {
    GroupKind.TABLE_RANK: {"flops", "bit_operations"},  # a split table multiplies, a whole one is read
    GroupKind.BITS: {"bit_operations"},  # weights of 8 bits meet integers, those of 4 meet floats
    GroupKind.TABLE_BITS: {"bit_operations"},  # of the second layer of a split table
}


@dataclass(frozen=True)
class World:
    """A network and its pipelines, all on one cache."""

    workload: Workload
    place: Path

    def pipeline(self, *names: str) -> Pipeline:
        return Pipeline(self.workload, names, criterion="magnitude-l2", root=self.place / "banks")

    @cached_property
    def all(self) -> Pipeline:
        made = self.pipeline(*ALL)
        made.fill()
        return made

    @property
    def dense(self) -> Config:
        return dense_config(self.all.groups).in_form(Form.SLICED)

    def configs(self) -> Iterator[Config]:
        generator = np.random.default_rng(0)
        for _ in range(DRAWN):
            config = self.dense.replaced({g.name: int(generator.choice(g.levels)) for g in self.all.groups})
            self.all.fill_for(config)
            yield config

    def answers(self, model: nn.Module) -> Tensor:
        batch = next(iter(self.all.dense.batches()))
        with torch.inference_mode():
            return self.all.dense.answers(model.eval(), {name: tensor[:4] for name, tensor in batch.items()})

    def only(self, config: Config, *names: str) -> Config:
        """Return the config with the levels of some transforms, all others dense."""
        levels = self.all.levels_of(config)
        return self.dense.replaced({group: level for name in names for group, level in levels[name].items()})


@pytest.fixture(scope="module", params=["encoder", "network"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    place, given = tmp_path_factory.mktemp(request.param), NOTHING
    fields = {"model": "network", "task": "digits", "epsilon": 0.5, "allow_untrained": True}
    if request.param == "encoder":
        save_data(place / "data", save_tiny(place / "model"), {"validation": 120, "test": 100})
        fields |= {"model": str(place / "model"), "task": "colours", "data": str(place / "data")}
    else:
        torch.manual_seed(0)
        given = Given(model=ResidualCnn(width=16), images=load_images("digits"))
    spec = StudySpec.model_validate({**fields, "calibration_examples": 32, "search_examples": 64})
    return World(load_workload(spec, cache_dir=place, progress=lambda *_: None, given=given), place)


def test_a_config_builds_what_its_transforms_build_one_after_the_other(world: World) -> None:
    for config in world.configs():
        model, stays = world.all.dense.model, dict[Side, Tensor]()
        for step in world.all.steps:
            part = config.part(step.under)
            model = step.transform.apply(model, part, step.source, share_weights=False, stays=stays)
            stays |= step.source.stays(part)
        assert world.answers(world.all.build(config)).equal(world.answers(model))


def test_a_dense_transform_is_as_if_it_were_not_there(world: World) -> None:
    assert world.answers(world.all.build(world.dense)).equal(world.answers(world.workload.model))
    for config in world.configs():
        for names in ((UNITS,), (UNITS, RANK), (UNITS, BITS)):
            fewer = world.pipeline(*names)
            alone = dense_config(fewer.groups).in_form(Form.SLICED)
            levels = world.all.levels_of(config)
            alone = alone.replaced({group: level for name in names for group, level in levels[name].items()})
            whole = world.all.build(world.only(config, *names))
            assert world.answers(fewer.build(alone)).equal(world.answers(whole))


def test_bits_round_what_units_and_rank_have_left(world: World) -> None:
    for config in world.configs():
        before = dict(world.all.build(world.only(config, UNITS, RANK)).named_modules())
        after = dict(world.all.build(config).named_modules())
        assert [*after] == [*before]
        for path, layer in after.items():
            stored, weight = stored_of(layer), getattr(before[path], "weight", None)
            if stored is None:
                assert weight is None or layer.get_parameter("weight").equal(weight)
                continue
            assert weight is not None
            nearest, largest = rounded(weight.detach(), stored.bits), weight.detach().abs().max()
            assert stored.codes.shape == weight.shape
            assert layer.get_parameter("weight").equal(stored.weight.to(weight))
            if not isinstance(layer, nn.Linear) or stored.bits == 16:
                assert stored.codes.equal(nearest.codes), "each code is the nearest one"
            else:  # its codes make up for each other's errors
                assert (stored.weight - weight).abs().max() <= 2 * largest


def test_costs_are_those_of_the_built_model_and_higher_levels_cost_no_less(world: World) -> None:
    costs = world.all.costs
    for config in world.configs():
        built = world.all.build(config)
        sizes = {each.quantity: each.value for each in world.all.sizes(built)}
        assert costs["flops"].total(config) == pytest.approx(world.workload.family.flops(built), rel=1e-9)
        assert costs["parameters"].total(config) == count_parameters(built)
        assert costs["size"].total(config) == pytest.approx(sizes["size"], abs=8192), "but for the names in the file"
        for group in world.all.groups:
            for name in costs.keys() - NOT_MONOTONE.get(group.kind, set()):
                totals = [costs[name].total(config.replaced({group.name: level})) for level in group.levels]
                assert all(low <= high * (1 + 1e-12) for low, high in pairwise(totals)), (name, group.name)
