from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_encoders import BERT_LIKE, FAMILIES, prune_heads, prune_neurons, remove_blocks, tiny
from torch import nn
from transformers import BertConfig, BertForMaskedLM

from objectives.size import count_parameters, measure_size, size_bytes


@pytest.mark.parametrize("family", FAMILIES)
def test_size_is_that_of_the_file_that_transformers_writes(family: str, tmp_path: Path) -> None:
    model = tiny(family)
    prune_heads(model, 0, 2)
    prune_neurons(model, 1, 7)
    remove_blocks(model, 1)
    model.save_pretrained(tmp_path)
    assert size_bytes(model) == (tmp_path / "model.safetensors").stat().st_size


def test_tied_tensors_are_stored_and_counted_once(tmp_path: Path) -> None:
    model = BertForMaskedLM(BertConfig(**BERT_LIKE))
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
    model.save_pretrained(tmp_path)
    assert size_bytes(model) == (tmp_path / "model.safetensors").stat().st_size
    assert count_parameters(model) == sum({id(p): p.numel() for p in model.parameters()}.values())


class Mixture(nn.Module):
    """One tensor of every type, a scalar, an empty one, and a name that JSON must escape."""

    TYPES = (
        torch.bool,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
    )

    def __init__(self) -> None:
        super().__init__()
        for index, dtype in enumerate(self.TYPES):
            self.register_buffer(f"t{index}", torch.zeros(3 + index, 2).to(dtype))
        self.register_buffer("scalar", torch.tensor(1.0))
        self.register_buffer("empty", torch.zeros(0, 3))
        self.register_buffer('umläut"\\', torch.zeros(2))
        self.register_buffer("passing", torch.zeros(9), persistent=False)


def test_size_is_exact_for_every_type_of_tensor(tmp_path: Path) -> None:
    model, path = Mixture(), tmp_path / "mixture.safetensors"
    save_file(model.state_dict(), path, metadata={"format": "pt"})
    assert size_bytes(model) == path.stat().st_size


def test_size_of_a_model_without_storage_is_known_all_the_same() -> None:
    with torch.device("meta"):
        layers = nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 2))
    assert size_bytes(layers) == size_bytes(nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 2)))


def test_a_type_that_the_file_format_lacks_is_named() -> None:
    model = nn.Module()
    model.register_buffer("odd", torch.zeros(2, dtype=torch.complex128))
    with pytest.raises(ValueError, match="complex128"):
        size_bytes(model)


def test_measurements_carry_their_units() -> None:
    parameters, size = measure_size(nn.Linear(4, 3))
    assert (parameters.quantity, parameters.value, parameters.unit) == ("parameters", 15, "parameters")
    assert (size.quantity, size.unit) == ("size", "bytes")
    assert size.value > 15 * 4
