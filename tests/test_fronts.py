"""What `python -m benchmarks.fronts` compares with is what was published, and its rows resume."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import torch
from prunable_models import bank_of, batches

from benchmarks.field import METHODS, RawSpace
from benchmarks.fisher import FisherMasks, counts_within, example_gradients, outputs_of, rearranged
from benchmarks.fronts import identity, missing
from optimizer.costs import linear_cost
from optimizer.spec import StudySpec
from search_spaces.config import Form

COSTS = {"layer.0.heads": 7.0, "layer.0.neurons": 1.0, "layer.1.heads": 7.0, "layer.1.neurons": 1.0}


def test_the_mask_keeps_most_fisher_information_that_the_flops_allow(tmp_path: Path) -> None:
    _, groups, bank = bank_of(tmp_path)
    gradients = example_gradients(bank.evidence.dense)
    for group in groups:
        torch.testing.assert_close(gradients[group.name].square().mean(0), bank.evidence.gradients(group).squared)
    information = {name: found.square().mean(0).numpy() for name, found in gradients.items()}
    counts = counts_within(groups, information, COSTS, budget=75.0)
    assert sum(COSTS[name] * count for name, count in counts.items()) <= 75
    kept = {name: np.concatenate(([0.0], np.sort(found)[::-1].cumsum())) for name, found in information.items()}
    spent = product(
        range(5), range(49), range(5)
    )  # heads, neurons, heads; the last neurons take the rest of the budget
    others = [(*one, 75 - 7 * one[0] - one[1] - 7 * one[2]) for one in spent]
    best = max(sum(kept[n][c] for n, c in zip(COSTS, o, strict=True)) for o in others if 0 <= o[3] <= 48)
    assert sum(kept[name][count] for name, count in counts.items()) >= best - 1e-9


def test_units_of_a_layer_whose_gradients_cancel_are_removed_together() -> None:
    gradients = torch.tensor([[2.0, -2.0, 1.0, 1.0], [0.5, -0.5, 0.1, 0.1]])
    assert gradients.square().mean(0).argsort(descending=True, stable=True)[:2].tolist() == [0, 1]
    assert rearranged(gradients, 2).tolist() == [2, 3]
    assert rearranged(gradients, 4).tolist() == [0, 1, 2, 3]
    assert rearranged(gradients, 0).tolist() == []


def test_the_masks_left_are_solved_by_least_squares_against_the_dense_outputs(tmp_path: Path) -> None:
    model, groups, bank = bank_of(tmp_path)
    batch, flops = batches()[1], linear_cost(groups, COSTS, dense=200.0)
    masks = FisherMasks(bank.evidence.dense, flops, batch)
    config = masks.config(0.6)
    assert flops.ratio(config) < 0.65
    small = masks.build(config)
    seen: list[torch.Tensor] = []
    with torch.inference_mode():
        reader = small.bert.encoder.layer[0].attention.output.dense
        reader.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][batch["attention_mask"].bool()]))
        given, wanted = (outputs_of(each, bank.layout, batch) for each in (small, model))
        kept = masks.kept_units(groups[0], config.as_dict()["layer.0.heads"])
        dense = model.bert.encoder.layer[0].attention.output.dense.weight.reshape(32, 4, 8)[:, kept].clone()
        parts = torch.einsum("tue,oue->tou", seen[0].reshape(-1, len(kept), 8), dense).reshape(-1, len(kept)).double()
    scales = (reader.weight.reshape(32, len(kept), 8) / dense)[0, :, 0].double()
    error = (wanted["layer.0.heads"] - given["layer.0.heads"]).flatten().double()
    torch.testing.assert_close(parts.T @ error, scales - 1, atol=1e-3, rtol=1e-2)  # the gradient of damped squares is 0


def test_the_raw_layer_space_has_every_level_of_every_group(tmp_path: Path) -> None:
    _, groups, _ = bank_of(tmp_path)
    space = RawSpace(groups, Form.SLICED, {})
    assert space.at_point([1.0] * 4) == space.dense
    assert set(space.at_point([0.0] * 4).levels.values()) == {0}
    heads = [space.at_point([place, 0.5, 0.5, 0.5]).levels["layer.0.heads"] for place in np.linspace(0, 0.999, 50)]
    assert np.bincount(heads).tolist() == [10] * 5


def test_finished_rows_are_not_run_again() -> None:
    spec = StudySpec(model="phrases-mini", task="phrases", epsilon=0.02, trials=20)
    rows, chance = list(METHODS), sum(method.has_seed for method in METHODS.values())
    assert len(missing([], spec, rows, 3)) == len(METHODS) + 2 * chance
    lines = [identity(spec, "ours", 1) | {"scores": {}}]
    assert ("ours", 1) not in missing(lines, spec, rows, 3)
    assert ("ours", 1) in missing(lines, spec.model_copy(update={"trials": 60}), rows, 3)
