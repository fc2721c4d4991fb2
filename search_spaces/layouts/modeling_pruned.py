"""Pruned encoders: a stock transformers model whose layers have the widths that `config.pruned` gives.

This very file is written into exported models, so that transformers alone can load them. It needs torch and
transformers, and nothing else. `config.pruned` maps paths inside the base model to what differs there:

- `counts`: the attributes that count something else, such as `out_features`
- `tensors`: the shapes of its tensors, of an added bias as well
- `replaced_by`: "constant", "identity", "no_attention" or "nothing" in the place of the module
- `token_ids`: an embedding that reads a row for so many token ids, one row for several of them
- `takes`: a module that takes only so many `units` of this keyword argument
- `low_rank`: a layer that writes so many numbers, its `rank`, of which a second one makes the `outputs`, with a `bias`
  or without

`config.stored_weights` maps paths of layers in the whole model to the bits of a weight that the file holds as codes.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

TOKEN_ROWS = "token_rows"  # the buffer of an embedding without some rows, saved with the weights
KEPT = "kept_units"  # the buffer `(units,)` of indices, saved with the weights
FROM_RANK = "from_rank"  # the layer that makes the outputs of one of low rank
CODES, SCALES = "codes", "scales"  # what a file holds in the place of a weight
CODE_TYPES = {16: torch.float16, 8: torch.int8, 4: torch.uint8}  # by bits; two codes of 4 bits share a byte
BLOCK = 32  # columns that share a scale where codes have 4 bits; of 8 bits a whole row does
OUTPUTS = {nn.Linear: "out_features", nn.Conv2d: "out_channels", nn.Embedding: "embedding_dim"}


class Constant(nn.Module):
    """What is left of a linear layer without inputs: its bias, the block's mean contribution."""

    def __init__(self, features: int, *, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(features, dtype=dtype, device=device))

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the bias for every token of `hidden`: `(batch, tokens, any)` -> `(batch, tokens, features)`."""
        bias = self.bias if torch.is_grad_enabled() else self.bias.detach()  # torch's counter fails on its views
        return bias.expand(*hidden.shape[:-1], -1)


class NoAttention(nn.Module):
    """Takes the place of attention without heads: passes hidden states to its output layer, or holds none."""

    def __init__(self, name: str = "", output: nn.Module | None = None) -> None:
        super().__init__()
        self.name = name
        if output is not None:
            self.add_module(name, output)

    def forward(self, hidden_states: Tensor, *_: object, **__: object) -> tuple[Tensor, None]:
        """Return the block's output and no attention weights, as the transformers module does."""
        return (self.get_submodule(self.name)(hidden_states) if self.name else hidden_states), None


def constant_like(layer: nn.Linear) -> Constant:
    """Return a constant, zero, with the outputs, type and device of a linear layer."""
    return Constant(layer.out_features, dtype=layer.weight.dtype, device=layer.weight.device)


def take_units(module: nn.Module, name: str, units: Tensor) -> None:
    """Have a module take only these units, int64 `(kept,)`, of its keyword argument `name` `(batch, units, …)`.

    A module that takes only some already takes these of them.
    """
    if hasattr(module, KEPT):
        module.register_buffer(KEPT, module.get_buffer(KEPT)[units.to(module.get_buffer(KEPT).device)])
        return
    module.takes = name  # type: ignore[assignment]
    module.register_buffer(KEPT, units.to(next(module.parameters()).device))
    module.register_forward_pre_hook(partial(_take, name), with_kwargs=True)


def _take(name: str, module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
    return args, {**named, name: named[name].index_select(1, module.get_buffer(KEPT))}


def map_tokens(embedding: nn.Module, rows: Tensor) -> None:
    """Have an embedding read, for the token of each id, the row that `rows`, int32 `(ids,)`, holds."""
    if not hasattr(embedding, TOKEN_ROWS):
        embedding.register_forward_pre_hook(_rows_of)
    embedding.register_buffer(TOKEN_ROWS, rows)


def token_rows(embedding: Any) -> Tensor:
    """Return the row that is read for each token id: `(ids,)`."""
    weight = embedding.weight
    return getattr(embedding, TOKEN_ROWS, torch.arange(len(weight), dtype=torch.int32, device=weight.device))


def _rows_of(embedding: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return embedding.get_buffer(TOKEN_ROWS)[args[0]], *args[1:]


def give_rank(layer: Any, inner: Tensor, outer: Tensor, bias: Tensor | None) -> None:
    """Give a linear layer, a convolution or an embedding a low rank, in place.

    Its weight becomes `inner`, which writes `rank` numbers, of which a second layer of the weights `outer`
    `(outputs, rank)` and the `bias` `(outputs,)` makes the outputs.
    """
    outputs, rank = outer.shape
    if isinstance(layer, nn.Conv2d):
        second: Any = nn.Conv2d(rank, outputs, 1, bias=False, device="meta")
    else:
        second = nn.Linear(rank, outputs, bias=False, device="meta")
    trains = layer.weight.requires_grad
    second.weight = nn.Parameter(outer.reshape(second.weight.shape), trains)
    second.bias = None if bias is None else nn.Parameter(bias, trains)
    layer.weight = nn.Parameter(inner, trains)
    if not isinstance(layer, nn.Embedding):
        layer.bias = None
    setattr(layer, next(name for kind, name in OUTPUTS.items() if isinstance(layer, kind)), rank)
    layer.add_module(FROM_RANK, second)
    layer.register_forward_hook(_from_rank)


def _from_rank(layer: nn.Module, _args: tuple[Any, ...], output: Tensor) -> Any:
    return layer.get_submodule(FROM_RANK)(output)


def unpacked(codes: Tensor) -> Tensor:
    """Return the codes that a tensor of a file holds, in the weight's shape: those of 4 bits as int8 within ±7.

    The upper half of a row's last byte is 0, which is no code, where the number of columns is odd.
    """
    if codes.dtype is not torch.uint8:
        return codes
    pairs = torch.stack([codes & 15, codes >> 4], dim=-1).flatten(1)
    is_odd = pairs.shape[1] > 0 and not bool(pairs[:, -1].any())
    return (pairs[:, :-1] if is_odd else pairs).to(torch.int8) - 8


def values_of(codes: Tensor, scales: Tensor | None, block: int) -> Tensor:
    """Return the float32 weight of codes in its shape, of which `block` columns share one of `scales`."""
    if scales is None:
        return codes.float()
    values = codes.flatten(1).float()
    rows, columns = values.shape
    if columns % block:
        values = nn.functional.pad(values, (0, -columns % block))
    blocks = values.view(rows, -1, block).mul_(scales.float()[:, :, None])
    return blocks.view(rows, -1)[:, :columns].reshape(codes.shape)


def block_of(bits: int, columns: int) -> int:
    """Return how many consecutive columns share a scale."""
    return BLOCK if bits == 4 else max(columns, 1)


def hold(model: Any, stored: Mapping[str, int]) -> None:
    """Have layers, in place, hold their weights as codes of so many bits, from which `fill` makes the weights."""
    own = f"{model.base_model_prefix}." if model.base_model is model else ""
    layers = dict(model.named_modules())
    for path, bits in stored.items():
        inner = path.removeprefix(own)
        if own and inner not in layers:  # of a head, which the model does not have
            continue
        layer = layers[inner]
        weight = layer.get_parameter("weight").detach()
        rows, columns = len(weight), math.prod(weight.shape[1:])
        shape = (rows, -(-columns // 2)) if bits == 4 else tuple(weight.shape)
        layer.register_buffer(CODES, weight.new_zeros(shape, dtype=CODE_TYPES[bits]))
        if bits < 16:
            dtype = torch.bfloat16 if bits == 4 else torch.float32
            layer.register_buffer(SCALES, weight.new_zeros((rows, -(-columns // block_of(bits, columns))), dtype=dtype))
        del layer.weight
        layer.register_buffer("weight", weight, persistent=False)


def fill(model: nn.Module) -> None:
    """Make, in place, the weights of layers that hold codes."""
    for layer in model.modules():
        if CODES in layer._buffers:
            codes = unpacked(layer.get_buffer(CODES))
            bits = 4 if layer.get_buffer(CODES).dtype is torch.uint8 else 8
            scales = layer.get_buffer(SCALES) if SCALES in layer._buffers else None
            values = values_of(codes, scales, block_of(bits, math.prod(codes.shape[1:])))
            layer.weight = values.to(layer.get_buffer("weight").dtype)


def reshape(model: nn.Module, shapes: Mapping[str, Mapping[str, Any]]) -> None:
    """Give, in place, modules of a stock model the shapes of a pruned one; they keep their first entries."""
    for path, shape in shapes.items():
        module: Any = model.get_submodule(path)
        match shape.get("replaced_by"):
            case "constant":
                model.set_submodule(path, constant_like(module))
            case "nothing":
                owner, _, name = path.rpartition(".")
                setattr(model.get_submodule(owner), name, None)
            case "identity":
                model.set_submodule(path, nn.Identity())
            case "no_attention":
                inner = shape["holds"]
                model.set_submodule(path, NoAttention(inner, module.get_submodule(inner) if inner else None))
            case _:
                _resize(module, shape)


def _resize(module: Any, shape: Mapping[str, Any]) -> None:
    for name, count in shape.get("counts", {}).items():
        setattr(module, name, tuple(count) if isinstance(count, list) else count)
    for name, size in shape.get("tensors", {}).items():
        old = getattr(module, name)
        new = module.weight.new_zeros(size) if old is None else old.detach()[tuple(map(slice, size))].clone()
        setattr(module, name, new if name in module._buffers else nn.Parameter(new))
    if "token_ids" in shape:
        map_tokens(module, torch.zeros(shape["token_ids"], dtype=torch.int32, device=module.weight.device))
    if "low_rank" in shape:
        low, zeros = shape["low_rank"], module.weight.new_zeros
        bias = zeros(low["outputs"]) if low["bias"] else None
        give_rank(module, module.weight.detach(), zeros(low["outputs"], low["rank"]), bias)
    if "takes" in shape:
        take_units(module, shape["takes"], torch.arange(shape["units"]))


def auto_class(name: str) -> str:
    """Return the auto class of a transformers class: `AutoModelForSequenceClassification`, or `AutoModel`."""
    head = re.search(r"For[A-Z]\w*?(?=WithTeacher$|$)", name)
    return f"AutoModel{head[0] if head else ''}"


@contextmanager
def _equal_layers(config: Any) -> Iterator[None]:
    """Set aside, inside the block, what a configuration says of single layers: stock layers refuse to read it."""
    parts = [config, *(part for name in config.sub_configs if (part := getattr(config, name, None)))]
    words = [part.to_dict().get("per_layer_config") for part in parts]
    for part in parts:
        part.per_layer_config = None
    try:
        yield
    finally:
        for part, said in zip(parts, words, strict=True):
            if said:
                part.per_layer_config = said


def __getattr__(name: str) -> Any:
    """Return the class of that name in transformers whose instances are pruned as their configuration says."""
    stock: Any = None if name.startswith("_") else getattr(importlib.import_module("transformers"), name, None)
    if stock is None:
        raise AttributeError(name)

    class Pruned(stock):  # type: ignore[misc]
        _auto_class = auto_class(name)  # saving writes this file, too

        def __init__(self, config: Any, *inputs: Any, **named: Any) -> None:
            with _equal_layers(config):
                super().__init__(config, *inputs, **named)
            reshape(self.base_model, getattr(config, "pruned", {}))
            hold(self, getattr(config, "stored_weights", {}))

        @classmethod
        def from_pretrained(cls, *inputs: Any, **named: Any) -> Any:
            loaded = super().from_pretrained(*inputs, **named)
            fill(loaded[0] if isinstance(loaded, tuple) else loaded)
            return loaded

        @classmethod
        def _can_set_attn_implementation(cls) -> bool:
            return bool(stock._can_set_attn_implementation())  # which looks at the code of the class

    Pruned.__name__ = Pruned.__qualname__ = name
    globals()[name] = Pruned
    return Pruned
