from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from prunable_models import bank_of, batches, columns_of, dense_of, first_logit, logits, summed_loss
from tiny_encoders import FAMILIES
from transformers import PreTrainedModel

from search_spaces.groups import GroupKind
from search_spaces.layouts.named import named_layout
from search_spaces.transforms import entries, parts
from search_spaces.transforms.entries import BankFileError, read_entry, write_entry
from search_spaces.transforms.key import BankKey
from search_spaces.transforms.parts import whole
from search_spaces.transforms.passes import Answers
from search_spaces.transforms.units.criteria import CRITERIA, obs
from search_spaces.transforms.units.damping import DAMPING, damped, factorised, strained_in
from search_spaces.transforms.units.evidence import Reading
from search_spaces.transforms.units.gradients import collect_gradients
from search_spaces.transforms.units.solve import refit
from search_spaces.transforms.units.tokens import readings


def moments_of(
    model: PreTrainedModel, answers: Answers = first_logit, examples: Sequence[dict[str, torch.Tensor]] | None = None
) -> dict[str, Reading]:
    dense = dense_of(model, answers=answers, examples=examples)
    return readings(whole(dense, [group.consumers[0] for group in dense.layout.groups]))


def unchanging(model: torch.nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return logits(model, batch) * 0


def consumer_inputs(model: torch.nn.Module, path: str) -> torch.Tensor:
    rows = []
    module = model.get_submodule(path)
    mask: list[torch.Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0][mask[-1]].detach()))
    with torch.no_grad():
        for batch in batches():
            mask.append(batch["attention_mask"].bool())
            model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    handle.remove()
    return torch.cat(rows)


def consumer_gradients(model: torch.nn.Module, path: str) -> torch.Tensor:
    """The gradient of the first logit by the outputs of a layer at every real token of every use, found otherwise."""
    rows = []
    for batch in batches():
        kept: list[torch.Tensor] = []
        handle = model.get_submodule(path).register_forward_hook(lambda _m, _i, output, kept=kept: kept.append(output))
        total = first_logit(model, batch).sum()
        handle.remove()
        rows += [gradient[batch["attention_mask"].bool()] for gradient in torch.autograd.grad(total, kept)]
    return torch.cat(rows)


@pytest.mark.parametrize("family", [*FAMILIES, "albert"])
def test_moments_are_those_of_the_real_tokens_weighted_by_what_the_answer_feels(family: str, tmp_path: Path) -> None:
    model, groups, _ = bank_of(tmp_path, family)
    moments = moments_of(model)
    for group in groups:
        rows = consumer_inputs(model, group.consumers[0])
        gradients = consumer_gradients(model, group.consumers[0])
        weights = gradients.norm(dim=1)
        seen = moments[group.consumers[0]]
        torch.testing.assert_close(seen.mean, (weights @ rows) / weights.sum(), atol=1e-5, rtol=1e-3)
        wanted = rows.T.cov(correction=0, aweights=weights)
        torch.testing.assert_close(seen.covariance, wanted, atol=1e-5, rtol=1e-2)
        torch.testing.assert_close(seen.felt, gradients.T @ gradients / len(rows), atol=1e-9, rtol=1e-3)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_token_that_no_answer_depends_on_has_no_weight(tmp_path: Path) -> None:
    model, groups, _ = bank_of(tmp_path, "bert")
    last = groups[-1]
    gradients = consumer_gradients(model, last.consumers[0])
    felt = gradients.norm(dim=1) > 0
    assert int(felt.sum()) == sum(len(batch["labels"]) for batch in batches())  # the first token of each example
    rows = consumer_inputs(model, last.consumers[0])[felt]
    seen = moments_of(model)[last.consumers[0]]
    wanted = rows.T.cov(correction=0, aweights=gradients.norm(dim=1)[felt])
    torch.testing.assert_close(seen.covariance, wanted, atol=1e-5, rtol=1e-2)


def test_moments_of_a_model_whose_answers_never_change_are_those_of_all_tokens(tmp_path: Path) -> None:
    model, groups, _ = bank_of(tmp_path)
    seen = moments_of(model, unchanging)[groups[0].consumers[0]]
    rows = consumer_inputs(model, groups[0].consumers[0])
    torch.testing.assert_close(seen.mean, rows.mean(dim=0), atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(seen.covariance, rows.T.cov(correction=0), atol=1e-6, rtol=1e-2)


def test_a_small_variance_far_from_zero_is_not_lost(tmp_path: Path) -> None:
    model, groups, _ = bank_of(tmp_path)
    neurons = next(group for group in groups if group.kind is GroupKind.NEURONS)
    producer = model.get_submodule(neurons.producers[0])
    with torch.no_grad():
        producer.weight.mul_(0.05)
        producer.bias.fill_(200.0)
    rows = consumer_inputs(model, neurons.consumers[0])
    seen = moments_of(model, unchanging)[neurons.consumers[0]]
    wanted = rows.double().T.cov(correction=0)
    assert seen.mean.min() > 100
    torch.testing.assert_close(seen.covariance.double(), wanted, atol=0.02 * float(wanted.diagonal().mean()), rtol=0.02)
    assert torch.linalg.eigvalsh(damped(seen.covariance)).min() > 0


def test_moments_of_nothing_are_refused(tmp_path: Path) -> None:
    model, _, _ = bank_of(tmp_path)
    with pytest.raises(ValueError, match="no calibration example"):
        moments_of(model, examples=[])


@pytest.mark.parametrize("level", [0, 1, 8, 24, 40])
def test_reconstruction_beats_slicing_and_every_nearby_solution(level: int, tmp_path: Path) -> None:
    model, groups, bank = bank_of(tmp_path)
    group = groups[1]
    level = group.nearest_level(level)
    consumer = model.get_submodule(group.consumers[0])
    rows = consumer_inputs(model, group.consumers[0])
    target = consumer(rows).detach()
    columns = columns_of(bank.kept_units(group, level), group.unit_size)
    weight, bias = bank.solved(group, level)

    token_weights = consumer_gradients(model, group.consumers[0]).norm(dim=1, keepdim=True)

    def error(weight: torch.Tensor, bias: torch.Tensor) -> float:
        errors = rows[:, columns] @ weight.detach().T + bias.detach() - target
        return float((errors.square() * token_weights).sum())

    best = error(weight, bias)
    assert best <= error(consumer.weight[:, columns], consumer.bias) * (1 + 1e-6)
    for scale in (0.9, 1.1):
        assert best <= error(weight * scale, bias) * 1.001 + 1e-6


def test_reconstruction_is_exact_where_kept_inputs_determine_the_others() -> None:
    generator = torch.Generator().manual_seed(0)
    kept = torch.randn(400, 3, generator=generator)
    rows = torch.cat([kept, kept @ torch.randn(3, 3, generator=generator) + 2.0], dim=1)
    weight, bias = torch.randn(5, 6, generator=generator), torch.randn(5, generator=generator)
    reading = Reading(mean=rows.mean(dim=0), covariance=rows.T.cov(correction=0), felt=torch.eye(5))
    layer = torch.nn.Linear(6, 5)
    with torch.no_grad():
        layer.weight.copy_(weight)
    solved, shift = refit(layer, reading, torch.arange(3))
    assert shift is not None
    solved_bias = bias + shift
    wanted, got = rows @ weight.T + bias, kept @ solved.T + solved_bias
    assert float((wanted - got).square().mean()) < 1e-2 * float(wanted.var())


@pytest.mark.parametrize("criterion", sorted(CRITERIA))
@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_every_criterion_ranks_every_unit_once_and_again_the_same(criterion: str, family: str, tmp_path: Path) -> None:
    _, groups, bank = bank_of(tmp_path / "a", family, criterion)
    _, _, other = bank_of(tmp_path / "b", family, criterion)
    for group in groups:
        order = bank.order(group)
        assert sorted(order.tolist()) == list(range(group.units))
        assert torch.equal(order, other.order(group))


@pytest.mark.parametrize("criterion", sorted(set(CRITERIA) - {"random"}))
def test_every_criterion_but_chance_ranks_dead_units_last(criterion: str, tmp_path: Path) -> None:
    model, groups, bank = bank_of(tmp_path, "bert", criterion)
    group, dead = groups[1], [3, 17, 30]
    with torch.no_grad():
        for path in group.producers:
            model.get_submodule(path).weight[dead] = 0
            model.get_submodule(path).bias[dead] = 0
        model.get_submodule(group.consumers[0]).weight[:, dead] = 0
    assert set(bank.order(group)[-3:].tolist()) == set(dead)


def test_candidates_are_nested(tmp_path: Path) -> None:
    _, groups, bank = bank_of(tmp_path)
    for group in groups:
        kept = [set(bank.kept_units(group, level).tolist()) for level in group.levels]
        assert all(small < large for small, large in pairwise(kept))


def test_mask_gradients_are_per_example(tmp_path: Path) -> None:
    model, groups, _ = bank_of(tmp_path)
    together = collect_gradients(model, named_layout(model), batches(), summed_loss)
    one_by_one = [{k: v[i : i + 1] for k, v in batch.items()} for batch in batches() for i in range(16)]
    apart = collect_gradients(model, named_layout(model), one_by_one, summed_loss)
    for group in groups:
        torch.testing.assert_close(together[group.name].squared, apart[group.name].squared, atol=1e-8, rtol=1e-3)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("family", ["bert", "albert"])
def test_mask_gradients_add_up_over_all_uses_of_a_layer(family: str, tmp_path: Path) -> None:
    model, groups, _ = bank_of(tmp_path, family)
    found = collect_gradients(model, named_layout(model), batches(), summed_loss)
    weights = [model.get_parameter(f"{group.consumers[0]}.weight") for group in groups]
    examples = [{k: v[i : i + 1] for k, v in batch.items()} for batch in batches() for i in range(16)]
    of_weights = [torch.autograd.grad(summed_loss(model, example), weights) for example in examples]
    for group, weight, gradients in zip(groups, weights, zip(*of_weights, strict=True), strict=True):
        of_masks = (torch.stack(gradients) * weight).sum(dim=1).unflatten(1, (group.units, -1)).sum(dim=2)
        torch.testing.assert_close(found[group.name].absolute, of_masks.abs().mean(dim=0), atol=1e-7, rtol=1e-3)


def test_a_filled_bank_answers_from_disk_without_the_model(tmp_path: Path) -> None:
    _, groups, first = bank_of(tmp_path)
    solved = first.solved(groups[0], 2)
    order = first.order(groups[3])
    written = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    _, _, second = bank_of(tmp_path, examples=[])  # a pass would find no example
    assert torch.equal(second.solved(groups[0], 2)[0], solved[0])
    assert torch.equal(second.order(groups[3]), order)
    assert {path: path.stat().st_mtime_ns for path in second.folder.iterdir()} == written


def test_ranking_layer_by_layer_tells_of_every_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, groups, wanted = bank_of(tmp_path / "whole")
    monkeypatch.setattr(parts, "TOGETHER", 0)
    _, _, bank = bank_of(tmp_path / "parts")
    told: list[tuple[int, int]] = []
    bank.fill(lambda done, total: told.append((done, total)))
    assert told == [(done, 7) for done in range(1, 8)]  # the head and two layers, then four groups
    assert all(torch.equal(bank.order(group), wanted.order(group)) for group in groups)
    assert not (bank.folder / "states").exists()


def test_a_ranking_does_not_depend_on_the_rows_that_are_updated_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, groups, whole = bank_of(tmp_path / "whole")
    monkeypatch.setattr(obs, "ROWS", 7)
    _, _, bank = bank_of(tmp_path / "rows")
    assert all(torch.equal(bank.order(group), whole.order(group)) for group in groups)


def test_a_damaged_entry_is_filled_anew(tmp_path: Path) -> None:
    _, groups, bank = bank_of(tmp_path)
    wanted = bank.solved(groups[0], 2)[0].clone()
    for path in bank.folder.glob("*.level-*"):
        path.write_bytes(b"cut off")
    _, _, again = bank_of(tmp_path)
    assert torch.equal(again.solved(groups[0], 2)[0], wanted)


@pytest.mark.parametrize("changed", ["weights", "examples", "criterion", "damping", "dtype", "solver"])
def test_the_key_changes_with_all_that_the_solve_depends_on(changed: str) -> None:
    fields = {"weights": "w", "examples": "e", "criterion": "c", "damping": 0.01, "dtype": "float32", "solver": 1}
    other = {**fields, changed: 2 if changed in ("damping", "solver") else "other"}
    assert BankKey(**fields).digest != BankKey(**other).digest
    assert BankKey(**fields).digest == BankKey(**fields).digest


def test_a_full_disk_is_named_and_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object, path: Path, **_more: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(entries, "save_file", full)
    with pytest.raises(BankFileError, match=r"no space is left.*`cache_dir`"):
        write_entry(tmp_path / "a.safetensors", {"x": torch.zeros(1)})
    assert list(tmp_path.iterdir()) == []


def test_entries_round_trip_and_missing_ones_are_none(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.safetensors"
    assert read_entry(path) is None
    write_entry(path, {"x": torch.arange(3)})
    entry = read_entry(path)
    assert entry is not None
    assert torch.equal(entry["x"], torch.arange(3))
    assert [p.name for p in path.parent.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("family", FAMILIES)
def test_one_calibration_example_is_solved_with_more_damping_and_marked(family: str, tmp_path: Path) -> None:
    """The gradient of the last block stands on a single token: its variance is rounding, below zero in part."""
    first = {name: tensor[:1] for name, tensor in batches()[0].items()}
    model, groups, bank = bank_of(tmp_path, family, examples=[first])
    for group in groups:
        assert sorted(bank.order(group).tolist()) == list(range(group.units))
        consumer = model.get_submodule(group.consumers[0])
        for level in group.levels[1:-1]:
            weight, bias = bank.solved(group, level)
            assert torch.isfinite(bias).all()
            assert weight.abs().max() < 10 * consumer.weight.abs().max()
    assert set(strained_in(bank.folder)) == {"layer.1.heads", "layer.1.neurons"}


@pytest.mark.parametrize("level", [1, 12, 23])
def test_moments_that_need_no_more_damping_are_solved_as_before(level: int, tmp_path: Path) -> None:
    _, groups, bank = bank_of(tmp_path)
    covariance, kept = bank.evidence.reading(groups[1].consumers[0]).covariance, torch.arange(level)
    moments, factor, share = factorised(covariance, kept)
    assert share == DAMPING
    assert torch.equal(moments, damped(covariance))
    assert torch.equal(factor, torch.linalg.cholesky(damped(covariance)[kept][:, kept]))
    assert strained_in(bank.folder) == ()


def test_moments_of_a_broken_model_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN or infinity"):
        factorised(torch.full((3, 3), torch.nan))
