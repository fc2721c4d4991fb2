"""Encoders: where BERT, RoBERTa, ELECTRA and DistilBERT keep their heads and neurons.

One table names the parts of a layer in each family; everything else of the project speaks of groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from search_spaces.groups import Group, GroupKind, neuron_levels


class UnprunableModelError(ValueError):
    """A model whose groups cannot be found; the text names what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderFamily:
    """Names of the parts of one encoder layer, relative to the layer."""

    layers: str  # path of the layer list inside the model
    attention_inputs: tuple[str, str, str]  # query, key, value
    attention_output: str
    ffn_input: str
    ffn_output: str
    attention: str  # the module that mixes tokens; bypassed where no head is left
    attention_holds_output: bool = False  # whether that module includes the output projection


_BERT_LAYER = EncoderFamily(
    layers="encoder.layer",
    attention_inputs=("attention.self.query", "attention.self.key", "attention.self.value"),
    attention_output="attention.output.dense",
    ffn_input="intermediate.dense",
    ffn_output="output.dense",
    attention="attention.self",
)

FAMILIES: Mapping[str, EncoderFamily] = {
    "bert": _BERT_LAYER,
    "roberta": _BERT_LAYER,
    "electra": _BERT_LAYER,
    "distilbert": EncoderFamily(
        layers="transformer.layer",
        attention_inputs=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        attention_output="attention.out_lin",
        ffn_input="ffn.lin1",
        ffn_output="ffn.lin2",
        attention="attention",
        attention_holds_output=True,
    ),
}


def family_of(model: nn.Module) -> EncoderFamily:
    """Return the family of a transformers model. Raises `UnprunableModelError` for any other."""
    model_type = str(getattr(getattr(model, "config", None), "model_type", type(model).__name__))
    if model_type not in FAMILIES:
        raise UnprunableModelError(f"models of type {model_type!r} cannot be pruned yet; known are {sorted(FAMILIES)}")
    return FAMILIES[model_type]


def layers_path(model: nn.Module) -> str:
    """Return the module path of the encoder's layer list."""
    return f"{model.base_model_prefix}.{family_of(model).layers}"


def discover_groups(model: nn.Module) -> tuple[Group, ...]:
    """Return the groups of a dense encoder, first layer first, heads before neurons.

    Heads of a layer share their query, key and value rows and the columns of the output projection; neurons share
    rows of the first and columns of the second FFN layer.
    """
    family = family_of(model)
    path = layers_path(model)
    head_size = _head_size(model)
    groups: list[Group] = []
    for index in range(len(model.get_submodule(path))):  # type: ignore[arg-type]  # a ModuleList has a length
        layer = f"{path}.{index}"
        projection = _linear(model, f"{layer}.{family.attention_output}")
        heads = projection.in_features // head_size
        groups.append(
            Group(
                name=f"layer.{index}.heads",
                kind=GroupKind.HEADS,
                layer=index,
                units=heads,
                unit_size=head_size,
                levels=tuple(range(heads + 1)),
                producers=tuple(f"{layer}.{name}" for name in family.attention_inputs),
                consumers=(f"{layer}.{family.attention_output}",),
            )
        )
        neurons = _linear(model, f"{layer}.{family.ffn_output}").in_features
        groups.append(
            Group(
                name=f"layer.{index}.neurons",
                kind=GroupKind.NEURONS,
                layer=index,
                units=neurons,
                unit_size=1,
                levels=neuron_levels(neurons),
                producers=(f"{layer}.{family.ffn_input}",),
                consumers=(f"{layer}.{family.ffn_output}",),
            )
        )
    return tuple(groups)


def _head_size(model: nn.Module) -> int:
    config: Any = model.config  # transformers has one config class per family
    return int(config.hidden_size // config.num_attention_heads)


def _linear(model: nn.Module, path: str) -> nn.Linear:
    module = model.get_submodule(path)
    if not isinstance(module, nn.Linear):
        raise UnprunableModelError(
            f"{path} is a {type(module).__name__}, not a linear layer; only dense models are pruned"
        )
    return module
