"""MPNet's layers share one bias per head: a layer without some heads takes what the kept ones need."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_encoders import HEAD_SIZE, tiny, tokens
from torch import nn
from transformers import PreTrainedModel

from search_spaces.groups import dense_config
from search_spaces.layouts.named import named_layout
from search_spaces.layouts.surgery import share_structure, shrink
from search_spaces.transforms.units.materialize import outline

KEPT = torch.tensor([1, 3])


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(**tokens(2, 7)).logits
    return found


@pytest.fixture
def dense() -> PreTrainedModel:
    model = tiny("mpnet")
    with torch.no_grad():
        model.mpnet.encoder.relative_attention_bias.weight.normal_(std=5)
    return model


def without_heads(dense: nn.Module) -> nn.Module:
    small = share_structure(dense)
    shrink(small, named_layout(dense), {"layer.0.heads": KEPT})
    return small


def test_the_kept_heads_take_their_own_bias(dense: PreTrainedModel) -> None:
    small, before = without_heads(dense), logits(dense)
    copied = copy.deepcopy(small)
    layout = named_layout(dense)
    config = dense_config(layout.groups).replaced({"layer.0.heads": len(KEPT)})
    loaded = copy.deepcopy(outline(dense, layout, config))
    loaded.load_state_dict(small.state_dict(), strict=True)
    torch.testing.assert_close(logits(dense), before, atol=0, rtol=0)
    removed = torch.ones(dense.config.hidden_size).view(-1, HEAD_SIZE)
    removed[KEPT] = 0
    with torch.no_grad():
        dense.mpnet.encoder.layer[0].attention.attn.o.weight[:, removed.flatten().bool()] = 0
    for model in (copied, loaded):
        torch.testing.assert_close(logits(model), logits(dense), atol=1e-6, rtol=1e-5)


def test_a_layer_without_some_heads_can_lose_others(dense: PreTrainedModel) -> None:
    once = without_heads(dense)
    twice, at_once = share_structure(once), share_structure(dense)
    shrink(twice, named_layout(once), {"layer.0.heads": torch.tensor([1])})
    shrink(at_once, named_layout(dense), {"layer.0.heads": KEPT[1:]})
    torch.testing.assert_close(logits(twice), logits(at_once), atol=0, rtol=0)
