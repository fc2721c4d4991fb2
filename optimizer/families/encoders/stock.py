"""Stock: an encoder's configuration in transformers' own words, so that it loads with this package and without."""

from __future__ import annotations

import shutil
from copy import copy, deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import nn

from optimizer.families.encoders.saved import CODE
from search_spaces.layouts import modeling_pruned
from search_spaces.layouts.description import Shapes, described
from search_spaces.layouts.named import encoder_part, layer_widths, row_of
from search_spaces.layouts.stored import bits_by_layer


def save_stock(model: Any, place: Path, *, dtype: str) -> None:  # Any: one transformers class per architecture
    """Write config.json for a pruned encoder, and the code that gives a stock model its shapes."""
    whole = getattr(model, "body", model)  # of an embedder, whose pooling has files of its own
    config, stock = deepcopy(model.config), stock_class(whole)
    part = encoder_part(config)
    config.dtype = dtype
    config.pruned = pruned_shapes(whole)
    if stored := bits_by_layer(whole):
        config.stored_weights = stored
    part.head_dim = part.hidden_size // part.num_attention_heads  # of the dense model, whatever a layer keeps
    part.per_layer_config = _per_layer(model, part) or None
    names = dict.fromkeys((stock, stock_class(whole.base_model)))
    config.auto_map = {modeling_pruned.auto_class(name): f"{CODE.stem}.{name}" for name in names}
    config.architectures = [stock]
    config.save_pretrained(place)
    for name, content in getattr(model, "beside", {}).items():  # so that it is a sentence-transformers folder too
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    shutil.copyfile(CODE, place / CODE.name)


def stock_class(model: nn.Module) -> str:
    """Return the name of the transformers class that a model is, or is derived from."""
    return next(each.__name__ for each in type(model).__mro__ if each.__module__.startswith("transformers."))


def is_stock(model: nn.Module) -> bool:
    """Whether all that a model runs is code of transformers: its class is one of theirs, or our pruned one."""
    return type(model).__module__.startswith(("transformers.", modeling_pruned.__name__))


def pruned_shapes(model: Any) -> Shapes:
    """Return how the modules of an encoder differ from those of its configuration."""
    import transformers

    config = copy(model.config)
    with torch.device("meta"):
        stock = getattr(transformers, stock_class(model))(config)
    return described(stock.base_model, model.base_model)


def _per_layer(model: Any, config: Any) -> dict[int, dict[str, Any]]:
    """Return what differs from the configuration by hidden layer, in the words of transformers 5.14 and later.

    A layer that is used several times is named once for each use. A block that is skipped has a width of 0 as well:
    transformers refuses to read a width that differs between layers, and so never fills the block at random. Where
    several heads share keys, the number of keys is given, since EuroBERT's configuration itself reads the other. Where
    a configuration reads both, as CLIP's does, the width of the other block is given instead, and refused as well.
    """
    row, widths = row_of(model), layer_widths(model)
    heads = "num_key_value_heads" if row.shared else "num_attention_heads"
    per_key = config.num_attention_heads // getattr(config, heads)
    found: dict[int, dict[str, Any]] = {}
    for layer in range(config.num_hidden_layers):
        units, neurons = widths[layer * len(widths) // config.num_hidden_layers]
        kept = {heads: units // per_key, row.width: neurons}
        skipped = [block for block, each in zip(("attention", "mlp"), kept.values(), strict=True) if not each]
        words = {name: each for name, each in kept.items() if each != getattr(config, name, each)}
        if not row.counts_heads and words.pop(heads, None) is not None:
            words[row.width] = neurons
        found[layer] = words | ({"skip": skipped} if skipped else {})
    return {layer: words for layer, words in found.items() if words}
