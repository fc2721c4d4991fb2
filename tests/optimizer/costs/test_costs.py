from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from prunable_models import bank_of, possible
from stored_studies import put_study
from tiny_checkpoints import save_data, save_tiny
from tiny_encoders import OF_EVERY_PART
from torch import nn

from objectives.flops import count_flops, flop_count
from objectives.guard import measuring
from objectives.latency import forward_pass
from objectives.latency_table import LatencyTable
from objectives.memory import peak_memory_bytes
from objectives.size import count_parameters
from optimizer.backends.running import Backends
from optimizer.costs.combined import block_prices
from optimizer.costs.costs import WeightedSum, flops_cost, parameters_cost, table_cost
from optimizer.costs.limits import least_ratio
from optimizer.errors import InputError
from optimizer.families.encoders.load import load_workload
from optimizer.latency.proposed import constants_of
from optimizer.pipeline import Pipeline
from optimizer.preparation.proposed_memory import proposed_memory
from optimizer.spec import StudySpec
from optimizer.unchanged import CONSTANTS, refuse_other_constants
from search_spaces.blocks import Block, blocks_of
from search_spaces.combinations import Prices
from search_spaces.config import Config, Form
from search_spaces.groups import dense_config
from search_spaces.layouts.modeling_pruned import TOKEN_ROWS
from search_spaces.transforms.units.materialize import materialize, outline
from studies.opening import open_store

LENGTHS = np.array([5, 9, 14])


@pytest.mark.parametrize("family", OF_EVERY_PART)
def test_additive_costs_equal_those_of_the_smaller_model(family: str, tmp_path: Path) -> None:
    model, groups, bank = bank_of(tmp_path, family, "magnitude-l2")
    flops = flops_cost(bank.layout, lambda config: flop_count(outline(model, bank.layout, config)), LENGTHS)
    parameters = parameters_cost(model, bank.layout, count_parameters(model))
    for (heads, neurons), other in zip(itertools.product((0, 1, 4), (0, 8, 48)), itertools.cycle((0, 2)), strict=False):
        kept = {"layer.0.heads": heads, "layer.0.neurons": neurons, "layer.1.heads": other, "layer.1.neurons": 24}
        config = Config.of(possible(groups, kept), Form.SLICED)
        small = materialize(model, bank.layout, config, bank, share_weights=True)
        assert flops.total(config) == pytest.approx(count_flops(small, LENGTHS), rel=1e-12)
        assert parameters.total(config) == count_parameters(small)


def test_table_and_weighted_costs_add_up(tmp_path: Path) -> None:
    _, groups, _ = bank_of(tmp_path)
    table = LatencyTable(base_s=1.0, blocks={"heads": ((1, 0.5), (4, 2.0)), "neurons": ((8, 1.0), (48, 3.0))})
    latency = table_cost(groups, table)
    assert latency.dense == pytest.approx(1.0 + 2 * 2.0 + 2 * 3.0)
    config = Config.of({"layer.0.heads": 0, "layer.0.neurons": 8, "layer.1.heads": 4, "layer.1.neurons": 48})
    assert latency.total(config) == pytest.approx(1.0 + 0.0 + 1.0 + 2.0 + 3.0)
    shared = table_cost([*groups, *groups, *groups[:1]], table)  # a layer is used as often as its group is named
    assert shared.dense == pytest.approx(1.0 + 5 * 2.0 + 4 * 3.0)
    assert shared.total(config) == pytest.approx(1.0 + 0.0 + 2.0 + 4.0 + 6.0)
    thrice = WeightedSum((2.0, latency), (1.0, latency))
    assert thrice.total(config) == pytest.approx(3 * latency.total(config))
    assert thrice.ratio(config) == pytest.approx(latency.ratio(config))


@pytest.mark.parametrize("transforms", [("units", "vocabulary", "rank", "bits"), ("vocabulary",)])
def test_every_cost_prices_the_groups_of_every_transform(transforms: tuple[str, ...], tmp_path: Path) -> None:
    save_tiny(tmp_path / "model")
    save_data(tmp_path / "data", tmp_path / "model", {"validation": 120, "test": 100})
    spec = StudySpec(
        model=str(tmp_path / "model"),
        task="colours",
        data=str(tmp_path / "data"),
        epsilon=0.6,
        transforms=transforms,
        objectives=("latency", "energy"),
        batch_sizes=(1,),
        threads=1,
    )
    workload = load_workload(spec, cache_dir=tmp_path, progress=lambda *_: None)
    pipeline = Pipeline.of(spec, workload, tmp_path)
    costs = dict(pipeline.proposed_costs(spec, tmp_path))
    costs["memory"] = proposed_memory(spec, pipeline, Backends(spec, workload, tmp_path), tmp_path)
    dense = dense_config(pipeline.groups)
    with measuring(workload.model):
        run = forward_pass(workload.model, workload.family.request()(1))
        assert costs["memory"].dense == peak_memory_bytes(run, workload.model)
    rows = next(group for group in pipeline.groups if group.kind == "tokens")
    smaller = dense.replaced({rows.name: rows.levels[0]})
    assert costs["latency"].ratio(smaller) == 1, "a smaller table is as fast"
    assert costs["energy"].ratio(smaller) < 1, "its fewer bytes are still read"
    ratios = {name: least_ratio(cost, pipeline.groups) for name, cost in costs.items()}
    assert ratios["size"] <= costs["size"].ratio(smaller) < 1
    assert (ratios["latency"] < 1) == ("units" in transforms)
    blocks = blocks_of(pipeline.groups)
    counted = {name: costs[name] for name in ("flops", "size", "bit_operations", "latency") if name in costs}
    prices = {name: block_prices(blocks, pipeline.groups, cost, pipeline.of_layout) for name, cost in counted.items()}
    generator = np.random.default_rng(0)
    for _ in range(6):  # by whatever is done together, the tables say what is counted
        config = dense.replaced({group.name: int(generator.choice(group.levels)) for group in pipeline.groups})
        pipeline.fill_for(config)
        built = pipeline.build(config)
        for name, cost in counted.items():
            added = sum(map(partial(_added, config.levels), blocks, prices[name]))
            assert cost.dense + added == pytest.approx(cost.total(config), rel=1e-9), "blocks add up"
        assert costs["flops"].total(config) == pytest.approx(workload.family.flops(built), rel=1e-9)
        assert costs["parameters"].total(config) == count_parameters(built)
        assert costs["memory"].weights.total(config) == sum(each.nbytes for each in built.parameters()) + indices(built)
        sizes = {measured.quantity: measured.value for measured in pipeline.sizes(built)}
        assert costs["size"].total(config) == pytest.approx(sizes["size"], abs=4096), "but for the names in the file"
    for group in pipeline.groups:
        for counted in {"flops", "parameters", "size", "memory", "bit_operations"} & {*costs}:
            assert (np.diff(costs[counted].of_levels(group)) >= 0).all(), "a higher level never costs less"


def indices(model: nn.Module) -> int:
    """The bytes of the rows of tokens that a smaller table has."""
    return sum(buffer.nbytes for name, buffer in model.named_buffers() if name.endswith(TOKEN_ROWS))


def _added(levels: dict[str, int], block: Block, prices: Prices) -> float:
    return prices.total(block, [group.levels.index(levels[group.name]) for group in block.groups])


def test_a_study_steered_by_energy_is_resumed_with_its_own_constants_only(tmp_path: Path) -> None:
    flops, energy = (
        StudySpec(model="m", task="sst2", data="d", epsilon=0.1, objectives=(o,)) for o in ("flops", "energy")
    )
    assert constants_of(flops, torch.device("cpu")) is None
    now = constants_of(energy, torch.device("cpu"))
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    study = put_study(store, "s")
    store.close()
    refuse_other_constants(study, now)  # an older study has not kept them
    refuse_other_constants(replace(study, context={CONSTANTS: now}), now)
    with pytest.raises(InputError, match=r"energies of other constants .fitted to rapl"):
        refuse_other_constants(replace(study, context={CONSTANTS: "fitted to rapl on vm, 2026-11-28"}), now)
