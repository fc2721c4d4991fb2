"""Rows: where each architecture of text encoders keeps its parts. One row per architecture; no torch here.

A row names paths relative to an encoder layer. `path[i/n]` is the i-th of n equal blocks of the rows of one fused
linear layer, `path?` a layer that only some configurations of the architecture have, `*` every module of a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The parts of one encoder layer, and what a checkpoint of the architecture calls its other parts."""

    layers: str = "encoder.layer"  # the layer list inside the base model
    heads: tuple[str, ...]  # linear layers whose outputs belong to the heads
    heads_output: str  # the linear layer that reads them
    neurons: tuple[str, ...]  # linear layers whose outputs belong to the FFN's neurons
    neurons_output: str
    attention: str  # the module that mixes tokens, bypassed where no head is left; "" where one head must stay
    head_counts: tuple[str, ...] = ()  # attributes that hold the number of heads
    head_widths: tuple[str, ...] = ()  # attributes that hold the number of heads times the size of one
    heads_argument: str = ""  # `path.name` of a keyword argument `(batch, heads, …)` that all layers share
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
}
