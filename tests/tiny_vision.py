"""Tiny random encoders of images and sounds, one of every row."""

from __future__ import annotations

from typing import Any

import torch
from tiny_encoders import HEAD_SIZE, WIDTH
from transformers import (
    AutoConfig,
    AutoModelForAudioClassification,
    AutoModelForImageClassification,
    PreTrainedModel,
)

SIDE = 8  # pixels of an image, which has one channel
LAYERS = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": WIDTH // HEAD_SIZE,
    "intermediate_size": 48,
    "image_size": SIDE,
    "patch_size": 4,
    "num_channels": 1,
}
_OF_TWO = {"vision_config": LAYERS, "text_config": {"num_hidden_layers": 1}}
VISION: dict[str, dict[str, Any]] = {
    "vit": LAYERS,
    "deit": LAYERS | {"architectures": ["DeiTForImageClassification"]},
    "vit_msn": LAYERS,
    "ijepa": LAYERS,
    "beit": LAYERS | {"use_relative_position_bias": True, "layer_scale_init_value": 0.5},
    "beit with one table": LAYERS | {"use_shared_relative_position_bias": True},
    "dinov2": LAYERS | {"mlp_ratio": 2},
    "dinov2 with gates": LAYERS | {"mlp_ratio": 2, "use_swiglu_ffn": True},
    "dinov2_with_registers": LAYERS | {"mlp_ratio": 2, "num_register_tokens": 2},
    "clip": _OF_TWO,
    "metaclip_2": _OF_TWO,
    "siglip": _OF_TWO,
}
WHISPER = {
    "d_model": WIDTH,
    "encoder_layers": 2,
    "encoder_attention_heads": WIDTH // HEAD_SIZE,
    "encoder_ffn_dim": 48,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "num_mel_bins": 8,
    "max_source_positions": 6,
    "vocab_size": 50,
    "pad_token_id": 0,
    "classifier_proj_size": 16,
}


def tiny_vision(name: str, outputs: int = 3, **changes: Any) -> PreTrainedModel:
    """Return a classifier of images; its tables of positions are random, where transformers has zeros."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(name.split(" ")[0], **{**VISION[name], **changes}, num_labels=outputs)
    known: Any = AutoModelForImageClassification  # untyped
    model: PreTrainedModel = known.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if "bias_table" in path:
                parameter.normal_()
    return model


def tiny_whisper(outputs: int = 3) -> PreTrainedModel:
    torch.manual_seed(0)
    config = AutoConfig.for_model("whisper", **WHISPER, num_labels=outputs)
    known: Any = AutoModelForAudioClassification  # untyped
    model: PreTrainedModel = known.from_config(config, attn_implementation="eager").eval()
    return model
