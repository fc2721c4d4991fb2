"""What `python -m benchmarks.fronts` compares with is what was published, and its rows resume."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from prunable_models import TinyBank, bank_of, batches
from transformers import PreTrainedModel

from benchmarks.field import METHODS, Descent, RawSpace
from benchmarks.fisher import FisherMasks, counts_within, example_gradients, rearranged
from benchmarks.fronts import identity, missing
from benchmarks.knowledge import KnowledgePruning, kept_units, projected, squared_outputs
from benchmarks.scoreboard import chart_of
from benchmarks.sublayers import outputs_of
from optimizer.costs.costs import linear_cost
from optimizer.spec import StudySpec
from search_spaces.config import Config, Form
from search_spaces.distributions import Classic, classic
from search_spaces.groups import Group
from studies.records import Candidate, CandidateState

COSTS = {"layer.0.heads": 7.0, "layer.0.neurons": 1.0, "layer.1.heads": 7.0, "layer.1.neurons": 1.0}


Made = tuple[PreTrainedModel, tuple[Group, ...], TinyBank]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A tiny model with its groups and its bank, which nothing here writes to."""
    return bank_of(tmp_path_factory.mktemp("bank"))


def test_the_mask_keeps_most_fisher_information_that_the_flops_allow(made: Made) -> None:
    _, groups, bank = made
    gradients = example_gradients(bank.evidence.dense)
    for group in groups:
        torch.testing.assert_close(gradients[group.name].square().mean(0), bank.evidence.gradients(group).squared)
    information = {name: found.square().mean(0).numpy() for name, found in gradients.items()}
    counts = counts_within(groups, information, COSTS, budget=75.0)
    assert sum(COSTS[name] * count for name, count in counts.items()) <= 75
    kept = {name: np.concatenate(([0.0], np.sort(found)[::-1].cumsum())) for name, found in information.items()}
    first, neurons, second = np.meshgrid(range(5), range(49), range(5), indexing="ij")
    rest = 75 - 7 * first - neurons - 7 * second  # the last neurons take what is left of the budget
    fits = (rest >= 0) & (rest <= 48)
    spent = zip(COSTS, (first[fits], neurons[fits], second[fits], rest[fits]), strict=True)
    best = sum(kept[name][counts] for name, counts in spent).max()
    assert sum(kept[name][count] for name, count in counts.items()) >= best - 1e-9


def test_units_of_a_layer_whose_gradients_cancel_are_removed_together() -> None:
    gradients = torch.tensor([[2.0, -2.0, 1.0, 1.0], [0.5, -0.5, 0.1, 0.1]])
    assert gradients.square().mean(0).argsort(descending=True, stable=True)[:2].tolist() == [0, 1]
    assert rearranged(gradients, 2).tolist() == [2, 3]
    assert rearranged(gradients, 4).tolist() == [0, 1, 2, 3]
    assert rearranged(gradients, 0).tolist() == []


def test_the_masks_left_are_solved_by_least_squares_against_the_dense_outputs(made: Made) -> None:
    model, groups, bank = made
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


def test_weights_are_solved_against_the_dense_outputs_on_what_the_pruned_layers_below_give(made: Made) -> None:
    model, groups, bank = made
    batch, flops = batches()[1], linear_cost(groups, COSTS, dense=200.0)
    pruning = KnowledgePruning(bank.evidence.dense, flops, measured=batches()[:1], tuned=batch)
    config = pruning.config(0.6)
    assert flops.ratio(config) < 0.65
    small, readers = pruning.build(config), [group.consumers[0] for group in groups]
    seen: dict[str, torch.Tensor] = {}
    with torch.inference_mode():
        for path in readers:
            hook = partial(lambda path, _, inputs: seen.update({path: inputs[0][batch["attention_mask"].bool()]}), path)
            small.get_submodule(path).register_forward_pre_hook(hook)
        given, wanted = (outputs_of(each, bank.layout, batch) for each in (small, model))
    for group, path in zip(groups, readers, strict=True):
        missing_output, inputs = wanted[group.name] - given[group.name], seen[path]
        torch.testing.assert_close(missing_output.mean(dim=0), torch.zeros(32), atol=1e-4, rtol=0)
        left = (inputs - inputs.mean(dim=0)).T @ missing_output  # what damping alone leaves
        assert left.norm() < 0.05 * inputs.norm() * wanted[group.name].norm()


def test_knowledge_is_what_predictions_and_outputs_lose_with_a_unit(made: Made) -> None:
    _, groups, _ = made
    inputs, weight = torch.randn(7, 32), torch.randn(5, 32)
    alone = [inputs[:, 8 * unit : 8 * unit + 8] @ weight[:, 8 * unit : 8 * unit + 8].T for unit in range(4)]
    torch.testing.assert_close(
        squared_outputs(groups[0], inputs, weight), torch.stack([o.square().sum() for o in alone])
    )
    logits = torch.tensor([[2.0, -1.0, 0.5]]).repeat(20_000, 1).requires_grad_()
    p = (logits[0] / 2).softmax(0).detach()
    [gradients] = torch.autograd.grad(projected(logits, torch.Generator().manual_seed(0)), logits)
    curvature = gradients.T @ gradients / len(gradients)
    torch.testing.assert_close(curvature, (p.diag() - torch.outer(p, p)) / 4, atol=5e-3, rtol=0)


def test_units_compete_by_knowledge_per_flop(made: Made) -> None:
    _, groups, _ = made
    knowledge = {group.name: torch.full((group.units,), 0.01) for group in groups}
    knowledge["layer.0.heads"] = torch.tensor([0.5, 8.0, 0.0, 9.0])
    assert kept_units(groups[0], knowledge, COSTS, budget=14.0).tolist() == [1, 3]
    assert kept_units(groups[0], knowledge, COSTS, budget=21.0).tolist() == [0, 1, 3]
    assert kept_units(groups[0], knowledge, {**COSTS, "layer.0.heads": 10_000.0}, budget=14.0).tolist() == []


def test_the_raw_layer_space_has_every_level_of_every_group(made: Made) -> None:
    _, groups, _ = made
    space = RawSpace(groups, Form.SLICED, {})
    assert space.at_point([1.0] * 4) == space.dense
    assert set(space.at_point([0.0] * 4).levels.values()) == {0}
    heads = [space.at_point([place, 0.5, 0.5, 0.5]).levels["layer.0.heads"] for place in np.linspace(0, 0.999, 50)]
    assert np.bincount(heads).tolist() == [10] * 5


def test_a_descent_makes_each_config_when_it_is_asked_for_and_once(made: Made) -> None:
    _, groups, _ = made
    made: list[float] = []

    def config(ratio: float) -> Config:
        made.append(ratio)
        return classic(groups, ratio, Classic.UNIFORM, Form.SLICED)

    descent, history = Descent(map(config, (0.5, 0.5, 0.25))), list[Candidate]()
    for number in range(2):
        proposal = descent.propose(history)
        assert proposal is not None
        history.append(Candidate(id=number, study_id=0, number=number, proposal=proposal, state=CandidateState.RUNNING))
        assert len(made) == (1, 3)[number]
    assert descent.propose(history) is None


def test_seconds_begin_with_the_making_of_the_weights_which_a_resumed_run_finds_made() -> None:
    first = {"row": "ours", "setup_s": 40.0, "seconds": [1.0, 3.0], "search_hypervolume": {"0.02": [0.0, 0.5]}}
    later = {**first, "row": "uniform, our bank", "setup_s": 0.1, "seconds": [2.0, 4.0]}
    counted, timed = chart_of([first, later], 0.02).panels
    assert [series.name for series in timed.series] == ["ours", "uniform, our bank"]
    assert [series.x for series in timed.series] == [(41.0, 43.0), (42.0, 44.0)]
    assert [series.x for series in counted.series] == [(1, 2), (1, 2)]


def test_finished_rows_are_not_run_again() -> None:
    spec = StudySpec(model="phrases-mini", task="phrases", epsilon=0.02, trials=20)
    rows, chance = list(METHODS), sum(method.has_seed for method in METHODS.values())
    assert len(missing([], spec, rows, 3)) == len(METHODS) + 2 * chance
    lines = [identity(spec, "ours", 1) | {"scores": {}}]
    assert ("ours", 1) not in missing(lines, spec, rows, 3)
    assert ("ours", 1) in missing(lines, spec.model_copy(update={"trials": 60}), rows, 3)
    assert ("ours", 1) in missing([{**lines[0], "rules": "others"}], spec, rows, 3)
