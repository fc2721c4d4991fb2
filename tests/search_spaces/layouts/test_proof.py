"""Every row is proved on a model of its architecture, and a wrong row is refused by the layer's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from tiny_encoders import ARCHITECTURES, tiny
from tiny_vision import SIDE, VISION, WHISPER, tiny_vision, tiny_whisper
from torch import Tensor, nn
from transformers import PreTrainedModel

from search_spaces.layouts import named, proof
from search_spaces.layouts.layout import Layout, UnprunableModelError
from search_spaces.layouts.named import named_layout
from search_spaces.layouts.proof import prove
from search_spaces.layouts.requests import Inputs, noise_requests, token_requests
from search_spaces.layouts.rows import ROWS, Row

CPU = torch.device("cpu")
REQUESTS = token_requests(50, CPU)


def any_tiny(architecture: str) -> tuple[PreTrainedModel, list[Inputs]]:
    if architecture in VISION:
        return tiny_vision(architecture), noise_requests("pixel_values", (1, SIDE, SIDE), CPU)
    if architecture == "whisper":
        frames = 2 * int(str(WHISPER["max_source_positions"]))
        return tiny_whisper(), noise_requests("input_features", (8, frames), CPU)
    return tiny(architecture), REQUESTS


ALL = (*ARCHITECTURES, *VISION, "whisper")


@pytest.mark.parametrize("architecture", ALL)
def test_every_row_holds_and_the_model_is_left_as_it_is(architecture: str) -> None:
    model, requests = any_tiny(architecture)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    counts = [getattr(module, "num_attention_heads", None) for module in model.modules()]
    prove(model, named_layout(model), requests)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert counts == [getattr(module, "num_attention_heads", None) for module in model.modules()]


def test_digits_that_float32_loses_disprove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "TOLERANCE", 1e-9)
    model = tiny("bert")
    prove(model, named_layout(model), REQUESTS)
    assert next(model.parameters()).dtype is torch.float32


def test_every_row_has_a_model_in_these_tests() -> None:
    assert set(ROWS) == {any_tiny(architecture)[0].config.model_type for architecture in ALL}


WRONG = {
    "heads that are not counted": ("deberta-v2", replace(ROWS["deberta-v2"], head_counts=())),
    "a bias of all heads": ("mpnet", replace(ROWS["mpnet"], heads_argument="")),
    "keys of all heads": ("albert", replace(ROWS["albert"], heads=("attention.query", "attention.value"))),
    "values of other heads than their keys": (
        "modernbert",
        replace(ROWS["modernbert"], heads=("attn.Wqkv[0/3]", "attn.Wqkv[1/3]")),
    ),
    "half a gate": ("modernbert", replace(ROWS["modernbert"], neurons=("mlp.Wi[0/2]",))),
    "a table of all heads": ("beit", replace(ROWS["beit"], head_tables=())),
    "one table of all heads": ("beit with one table", replace(ROWS["beit"], heads_argument="")),
    "queries that are not grouped": (
        "eurobert",
        replace(ROWS["eurobert"], shared=(), heads=("self_attn.q_proj",)),
    ),
    "what holds more than the attention": (
        "albert",
        replace(ROWS["albert"], attention="attention"),
    ),
}


@pytest.mark.parametrize("architecture", ["bert", "mpnet", "eurobert"])
def test_a_row_holds_for_a_large_model_of_which_one_unit_in_eight_stays(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays, smaller = list[Mapping[str, Tensor]](), proof._smaller

    def noted(model: nn.Module, layout: Layout, kept: Mapping[str, Tensor], *, is_large: bool) -> nn.Module:
        stays.append(kept)
        return smaller(model, layout, kept, is_large=is_large)

    monkeypatch.setattr(proof, "LARGE", 0)
    monkeypatch.setattr(proof, "_smaller", noted)
    model, requests = any_tiny(architecture)
    layout = named_layout(model)
    prove(model, layout, requests)
    unequal, without_last = stays
    assert all(0 < len(unequal[group.name]) <= max(1, group.units // 8) for group in layout.groups if group.units > 1)
    assert not any(len(units) for units in without_last.values())


@pytest.mark.parametrize("large", [proof.LARGE, 0])
@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_row_is_refused(what: str, large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    architecture, row = WRONG[what]
    monkeypatch.setattr(proof, "LARGE", large)
    model, requests = any_tiny(architecture)
    rows: dict[str, Row] = {**ROWS, model.config.model_type: row}
    monkeypatch.setattr(named, "ROWS", rows)
    with pytest.raises(UnprunableModelError, match=r"without some of its heads or neurons"):
        prove(model, named_layout(model), requests)


def test_grouped_queries_are_refused_by_the_layers_name() -> None:
    model = tiny("bert")
    model.bert.encoder.layer[1].attention.self.key = torch.nn.Linear(32, 8)
    with pytest.raises(UnprunableModelError, match=r"layer\.1\.attention\.self\.key has 8 outputs where 32"):
        named_layout(model)
