"""Tiny random encoders of every family, and pruning them by hand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    CamembertConfig,
    CamembertForSequenceClassification,
    Data2VecTextConfig,
    Data2VecTextForSequenceClassification,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    ErnieConfig,
    ErnieForSequenceClassification,
    EuroBertConfig,
    EuroBertForSequenceClassification,
    GteConfig,
    GteForSequenceClassification,
    JinaEmbeddingsV3Config,
    JinaEmbeddingsV3ForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    MPNetConfig,
    MPNetForSequenceClassification,
    NomicBertConfig,
    NomicBertForSequenceClassification,
    PreTrainedModel,
    RobertaConfig,
    RobertaForSequenceClassification,
    RoFormerConfig,
    RoFormerForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

HEAD_SIZE = 8
WIDTH = 32
BERT_LIKE = {
    "vocab_size": 50,
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": WIDTH // HEAD_SIZE,
    "intermediate_size": 48,
    "max_position_embeddings": 70,
    "num_labels": 3,
    "attn_implementation": "eager",
}
FAMILIES = ("bert", "roberta", "electra", "distilbert")
OTHERS: dict[str, tuple[type, type, dict[str, object]]] = {
    "xlm-roberta": (XLMRobertaConfig, XLMRobertaForSequenceClassification, {"pad_token_id": 1}),
    "camembert": (CamembertConfig, CamembertForSequenceClassification, {"pad_token_id": 1}),
    "data2vec-text": (Data2VecTextConfig, Data2VecTextForSequenceClassification, {"pad_token_id": 1}),
    "ernie": (ErnieConfig, ErnieForSequenceClassification, {}),
    "roformer": (RoFormerConfig, RoFormerForSequenceClassification, {}),
    "deberta-v2": (
        DebertaV2Config,
        DebertaV2ForSequenceClassification,
        {"relative_attention": True, "position_buckets": 8, "pos_att_type": ["p2c", "c2p"], "share_att_key": True}
        | {"norm_rel_ebd": "layer_norm", "position_biased_input": False},
    ),
    "deberta-v2 without shared keys": (
        DebertaV2Config,
        DebertaV2ForSequenceClassification,
        {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    ),
    "albert": (
        AlbertConfig,
        AlbertForSequenceClassification,
        {"embedding_size": 16, "num_hidden_layers": 3, "num_hidden_groups": 2, "pad_token_id": 0},
    ),
    "mpnet": (MPNetConfig, MPNetForSequenceClassification, {"pad_token_id": 1}),
    "modernbert": (
        ModernBertConfig,
        ModernBertForSequenceClassification,
        {"pad_token_id": 0, "bos_token_id": 2, "cls_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
        | {"local_attention": 8, "global_attn_every_n_layers": 2},
    ),
    "eurobert": (
        EuroBertConfig,
        EuroBertForSequenceClassification,
        {"num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "mask_token_id": 1},
    ),
    "nomic_bert": (NomicBertConfig, NomicBertForSequenceClassification, {"pad_token_id": 0}),
    "gte": (GteConfig, GteForSequenceClassification, {"pad_token_id": 0}),
    "jina_embeddings_v3": (
        JinaEmbeddingsV3Config,
        JinaEmbeddingsV3ForSequenceClassification,
        {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3},
    ),
}
ARCHITECTURES = (*FAMILIES, *OTHERS)
OF_EVERY_PART = ("bert", "distilbert", "deberta-v2", "albert", "mpnet", "modernbert", "eurobert")
"""The architectures whose rows say something that no other's does."""


class Bias(nn.Module):
    """What a removed block leaves."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.bias.expand(*hidden.shape[:-1], -1)


class PassOn(nn.Module):
    """Stands where an attention module without heads was."""

    def forward(self, hidden: torch.Tensor, *_: object, **__: object) -> tuple[torch.Tensor, None]:
        return hidden, None


def tiny(family: str, outputs: int = 3, layers: int = 2) -> PreTrainedModel:
    torch.manual_seed(0)
    shape = {**BERT_LIKE, "num_labels": outputs, "num_hidden_layers": layers}
    if family == "bert":
        return BertForSequenceClassification(BertConfig(**shape)).eval()
    if family == "roberta":
        return RobertaForSequenceClassification(RobertaConfig(**shape, pad_token_id=1)).eval()
    if family == "electra":
        return ElectraForSequenceClassification(ElectraConfig(**shape, embedding_size=16)).eval()
    if family in OTHERS:
        config, model, more = OTHERS[family]
        return model(config(**{**shape, **more})).eval()
    names = {"dim": WIDTH, "n_layers": layers, "n_heads": WIDTH // HEAD_SIZE, "hidden_dim": 48}
    shared = {"vocab_size": 50, "max_position_embeddings": 70, "num_labels": outputs, "attn_implementation": "eager"}
    return DistilBertForSequenceClassification(DistilBertConfig(**names, **shared)).eval()


def encoder_layers(model: PreTrainedModel) -> nn.ModuleList:
    base = model.base_model
    return base.transformer.layer if hasattr(base, "transformer") else base.encoder.layer


def narrow(linears: Sequence[nn.Linear], consumer: nn.Linear, width: int) -> None:
    """Keep the first `width` rows of `linears` and columns of `consumer`."""
    for linear in linears:
        linear.weight = nn.Parameter(linear.weight[:width].clone())
        linear.bias = nn.Parameter(linear.bias[:width].clone())
        linear.out_features = width
    consumer.weight = nn.Parameter(consumer.weight[:, :width].clone())
    consumer.in_features = width


def prune_heads(model: PreTrainedModel, layer: int, heads: int) -> None:
    block = encoder_layers(model)[layer].attention
    if hasattr(block, "q_lin"):
        narrow([block.q_lin, block.k_lin, block.v_lin], block.out_lin, heads * HEAD_SIZE)
    else:
        inner = block.self
        narrow([inner.query, inner.key, inner.value], block.output.dense, heads * HEAD_SIZE)


def prune_neurons(model: PreTrainedModel, layer: int, neurons: int) -> None:
    block = encoder_layers(model)[layer]
    if hasattr(block, "ffn"):
        narrow([block.ffn.lin1], block.ffn.lin2, neurons)
    else:
        narrow([block.intermediate.dense], block.output.dense, neurons)


def remove_blocks(model: PreTrainedModel, layer: int) -> None:
    """Remove attention (BERT-like families) and FFN of a layer, biases aside."""
    block = encoder_layers(model)[layer]
    if hasattr(block, "ffn"):
        block.ffn.lin1, block.ffn.lin2 = nn.Identity(), Bias(WIDTH)
        return
    block.attention.self, block.attention.output.dense = PassOn(), Bias(WIDTH)
    block.intermediate.dense, block.output.dense = nn.Identity(), Bias(WIDTH)


def tokens(batch: int, length: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(2, 50, (batch, length), generator=generator)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
