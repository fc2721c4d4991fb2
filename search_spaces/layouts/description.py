"""Description: what distinguishes a pruned model from the stock model of its configuration, as data."""

from __future__ import annotations

from itertools import chain
from typing import Any

from torch import nn

from search_spaces.layouts.modeling_pruned import FROM_RANK, KEPT, TOKEN_ROWS, Constant, NoAttention

Shapes = dict[str, dict[str, Any]]  # Any: numbers, names and shapes


def described(stock: nn.Module, small: nn.Module) -> Shapes:
    """Return, by module path, how a pruned model differs from the stock one, for `modeling_pruned.reshape`."""
    kept, shapes = dict(small.named_modules()), {}
    for path, module in stock.named_modules():
        owner = path.rpartition(".")[0]
        if path in kept:
            shapes[path] = _difference(module, kept[path])
        elif type(kept.get(owner)) is type(stock.get_submodule(owner)):
            shapes[path] = {"replaced_by": "nothing"}
    return {path: found for path, found in shapes.items() if found}


def _difference(stock: nn.Module, module: nn.Module) -> dict[str, Any]:
    if isinstance(module, Constant):
        return {"replaced_by": "constant"}
    if isinstance(module, NoAttention):
        return {"replaced_by": "no_attention", "holds": module.name}
    if not isinstance(module, type(stock)):  # a whole model may be of our class, which is derived from the stock one
        return {"replaced_by": "identity"}
    mapped = {"token_ids": len(module.get_buffer(TOKEN_ROWS))} if hasattr(module, TOKEN_ROWS) else {}
    taken = {"takes": module.takes, "units": len(module.get_buffer(KEPT))} if hasattr(module, KEPT) else {}
    found = {"counts": _counts(stock, module), "tensors": _tensors(stock, module)} | mapped | taken | _low_rank(module)
    return {name: value for name, value in found.items() if value}


def _low_rank(module: nn.Module) -> dict[str, Any]:
    if not hasattr(module, FROM_RANK):
        return {}
    second = module.get_submodule(FROM_RANK)
    outputs, rank = second.get_parameter("weight").shape[:2]
    return {"low_rank": {"rank": rank, "outputs": outputs, "bias": second.bias is not None}}


def _counts(stock: nn.Module, module: nn.Module) -> dict[str, int | tuple[int, ...]]:
    """Return the attributes that count something else than in the stock module, such as the shape of a norm."""
    return {n: v for n, v in vars(module).items() if type(v) in (int, tuple) and v != vars(stock).get(n, v)}


def _tensors(stock: nn.Module, module: nn.Module) -> dict[str, list[int]]:
    """Return the shapes of the module's own tensors that the stock module has not, or has in another shape."""
    own = dict(chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False)))
    before = {name: getattr(stock, name, None) for name in own if name not in (KEPT, TOKEN_ROWS)}
    return {name: list(own[name].shape) for name, old in before.items() if old is None or old.shape != own[name].shape}
