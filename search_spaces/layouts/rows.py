"""Rows: where each architecture of encoders keeps its parts. One row per architecture; no torch here.

A row names paths relative to an encoder layer. `path[i/n]` is the i-th of n equal blocks of the rows of one fused
linear layer, `path?` a part that only some configurations of the architecture have, `one|other` whichever there is,
`*` every module of a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Reads = Literal["tokens", "pixels", "features"]  # texts, images, spectra of sounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The parts of one encoder layer, and what a checkpoint of the architecture calls its other parts."""

    reads: Reads = "tokens"
    base: str = ""  # the module that holds the encoder; by default the one that transformers calls the base model
    layers: str = "encoder.layer"  # the layer list inside it
    heads: tuple[str, ...]  # linear layers whose outputs belong to the heads
    shared: tuple[str, ...] = ()  # linear layers each of whose heads serves several of `heads`: grouped queries
    head_tables: tuple[str, ...] = ()  # parameters whose last dimension is the heads
    heads_output: str  # the linear layer that reads the heads
    neurons: tuple[str, ...]  # linear layers whose outputs belong to the FFN's neurons
    neurons_output: str
    attention: str  # the module that mixes tokens, bypassed where no head is left; "" where one head must stay
    width: str = "intermediate_size"  # what the configuration calls the number of neurons
    counts_heads: bool = True  # whether the configuration lets single layers have a number of heads
    head_counts: tuple[str, ...] = ()  # attributes that hold the number of heads
    head_widths: tuple[str, ...] = ()  # attributes that hold the number of heads times the size of one
    heads_argument: str = ""  # `path.name` of a keyword argument `(batch, heads, …)` that all layers share
    heads_argument_of: str = ""  # the module that makes it, where only some configurations have one
    classifier: str = "classifier.weight"  # a tensor that only a trained classification head has
    words: str = "embeddings.word_embeddings.weight"
    positions_follow_padding: bool = False  # whether positions are numbered from behind the padding id


_BERT = Row(
    heads=("attention.self.query", "attention.self.key", "attention.self.value"),
    heads_output="attention.output.dense",
    neurons=("intermediate.dense",),
    neurons_output="output.dense",
    attention="attention.self",
)
_LLAMA_ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_NOMIC = Row(
    layers="layers",
    heads=_LLAMA_ATTENTION,
    heads_output="self_attn.o_proj",
    neurons=("mlp.gate_proj", "mlp.up_proj"),
    neurons_output="mlp.down_proj",
    attention="self_attn",
)
_VIT = Row(
    reads="pixels",
    layers="layers",
    heads=("attention.q_proj", "attention.k_proj", "attention.v_proj"),
    heads_output="attention.o_proj",
    neurons=("mlp.fc1",),
    neurons_output="mlp.fc2",
    attention="attention",
)
_DINOV2 = replace(
    _VIT,
    layers="encoder.layer",
    neurons=("mlp.fc1?", "mlp.gate_proj?", "mlp.up_proj?"),
    neurons_output="mlp.fc2|mlp.down_proj",
)
_CLIP = replace(
    _VIT,
    base="vision_model",
    layers="encoder.layers",
    heads=_LLAMA_ATTENTION,
    heads_output="self_attn.out_proj",
    attention="self_attn",
    counts_heads=False,
)
_ELECTRA = replace(_BERT, classifier="classifier.out_proj.weight")
_ROBERTA = replace(_ELECTRA, positions_follow_padding=True)

ROWS: Mapping[str, Row] = {
    "bert": _BERT,
    "ernie": _BERT,
    "electra": _ELECTRA,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "data2vec-text": _ROBERTA,
    "roformer": replace(_ELECTRA, head_widths=("attention.self.all_head_size",)),
    "deberta-v2": replace(
        _BERT,
        heads=(
            "attention.self.query_proj",
            "attention.self.key_proj",
            "attention.self.value_proj",
            "attention.self.pos_key_proj?",
            "attention.self.pos_query_proj?",
        ),
        head_counts=("attention.self.num_attention_heads",),
        head_widths=("attention.self.all_head_size",),
    ),
    "mpnet": replace(
        _ROBERTA,
        heads=("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        heads_output="attention.attn.o",
        attention="attention.attn",
        head_counts=("attention.attn.num_attention_heads",),
        head_widths=("attention.attn.all_head_size",),
        heads_argument="attention.position_bias",
    ),
    "albert": Row(
        layers="encoder.albert_layer_groups.*.albert_layers",
        heads=("attention.query", "attention.key", "attention.value"),
        heads_output="attention.dense",
        neurons=("ffn",),
        neurons_output="ffn_output",
        attention="",  # the attention module holds the residual sum and its norm
    ),
    "distilbert": Row(
        layers="transformer.layer",
        heads=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        heads_output="attention.out_lin",
        neurons=("ffn.lin1",),
        width="hidden_dim",
        neurons_output="ffn.lin2",
        attention="attention",
    ),
    "modernbert": Row(
        layers="layers",
        heads=("attn.Wqkv[0/3]", "attn.Wqkv[1/3]", "attn.Wqkv[2/3]"),
        heads_output="attn.Wo",
        neurons=("mlp.Wi[0/2]", "mlp.Wi[1/2]"),
        neurons_output="mlp.Wo",
        attention="attn",
        words="embeddings.tok_embeddings.weight",
    ),
    "nomic_bert": _NOMIC,
    "gte": _NOMIC,
    "jina_embeddings_v3": replace(
        _NOMIC, neurons=("mlp.fc1",), neurons_output="mlp.fc2", classifier="classifier.out_proj.weight"
    ),
    "eurobert": replace(
        _NOMIC,
        heads=("self_attn.q_proj",),
        shared=("self_attn.k_proj", "self_attn.v_proj"),
        words="embed_tokens.weight",
    ),
    "vit": _VIT,
    "deit": _VIT,
    "vit_msn": _VIT,
    "ijepa": _VIT,
    "beit": replace(
        _VIT,
        head_tables=("relative_position_bias.relative_position_bias_table?",),
        heads_argument="attention_mask",
        heads_argument_of="shared_position_bias",
    ),
    "dinov2": _DINOV2,
    "dinov2_with_registers": _DINOV2,
    "clip": _CLIP,
    "metaclip_2": _CLIP,
    "siglip": _CLIP,
    "whisper": replace(
        _CLIP,
        reads="features",
        base="encoder",
        layers="layers",
        neurons=("fc1",),
        neurons_output="fc2",
        head_counts=("self_attn.num_heads",),
    ),
}


def architectures(reads: Reads) -> tuple[str, ...]:
    """Return the names of the architectures that read texts, images or sounds."""
    return tuple(sorted(name for name, row in ROWS.items() if row.reads == reads))
