from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from prunable_models import bank_of, batches, columns_of, possible
from tiny_encoders import OF_EVERY_PART
from torch import Tensor, nn

from search_spaces.config import Config, Form
from search_spaces.groups import Group, dense_config
from search_spaces.transforms.units.bank import UnitBank
from search_spaces.transforms.units.materialize import materialize


def logits(model: nn.Module) -> Tensor:
    with torch.inference_mode():
        return torch.cat([model(**{k: v for k, v in batch.items() if k != "labels"}).logits for batch in batches()])


def masked_logits(model: nn.Module, groups: tuple[Group, ...], config: Config, bank: UnitBank) -> Tensor:
    """Logits of the dense model with the inputs of every consumer set to zero for the removed units."""
    handles = []
    for group in groups:
        mask = torch.zeros(group.units * group.unit_size)
        mask[columns_of(bank.kept_units(group, config.as_dict()[group.name]), group.unit_size)] = 1
        for path in group.consumers:
            module = model.get_submodule(path)
            handles.append(module.register_forward_pre_hook(lambda _, inputs, mask=mask: (inputs[0] * mask,)))
    try:
        return logits(model)
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("family", OF_EVERY_PART)
def test_without_reconstruction_the_smaller_model_equals_the_masked_one(family: str, tmp_path: Path) -> None:
    model, groups, bank = bank_of(tmp_path, family, "magnitude-l2")
    small_worlds = itertools.product((0, 1, 3, 4), (0, 8, 40, 48))
    for heads, neurons in small_worlds:
        kept = {"layer.0.heads": heads, "layer.0.neurons": neurons, "layer.1.heads": 4 - heads, "layer.1.neurons": 24}
        config = Config.of(possible(groups, kept), Form.SLICED)
        small = materialize(model, bank.layout, config, bank)
        torch.testing.assert_close(logits(small), masked_logits(model, groups, config, bank), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", OF_EVERY_PART)
@pytest.mark.parametrize("share_weights", [True, False])
def test_the_dense_model_is_left_as_it_is(family: str, share_weights: bool, tmp_path: Path) -> None:
    model, groups, bank = bank_of(tmp_path, family)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    answers = logits(model)
    kept = {"layer.0.heads": 2, "layer.0.neurons": 16, "layer.1.heads": 0, "layer.1.neurons": 0}
    config = Config.of(possible(groups, kept))
    small = materialize(model, bank.layout, config, bank, share_weights=share_weights)
    assert small is not model
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in model.parameters())
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(answers, logits(model))


def test_no_mask_or_hook_is_left_in_the_smaller_model(tmp_path: Path) -> None:
    model, groups, bank = bank_of(tmp_path)
    small = materialize(model, bank.layout, dense_config(groups).replaced({"layer.1.heads": 1}), bank)
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in small.modules())
    assert small.get_submodule("bert.encoder.layer.1.attention.self.query").out_features == 8


def test_shared_weights_are_the_same_tensors_and_owned_ones_are_not(tmp_path: Path) -> None:
    model, groups, bank = bank_of(tmp_path)
    config = dense_config(groups).replaced({"layer.0.neurons": 8})
    embeddings = model.get_input_embeddings().weight
    shared = materialize(model, bank.layout, config, bank, share_weights=True)
    owned = materialize(model, bank.layout, config, bank)
    assert shared.get_input_embeddings().weight is embeddings
    assert owned.get_input_embeddings().weight.data_ptr() != embeddings.data_ptr()


def test_the_dense_config_gives_the_dense_answers(tmp_path: Path) -> None:
    model, groups, bank = bank_of(tmp_path)
    assert torch.equal(logits(materialize(model, bank.layout, dense_config(groups), bank)), logits(model))
