"""Arguments: a module without some units takes the kept ones of an argument that it shares with other layers."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn

from search_spaces.layouts.layout import Argument

KEPT = "kept_units"  # the buffer `(units,)` of indices, saved with the weights


def take_units(model: nn.Module, argument: Argument, units: Tensor) -> None:
    """Have, in place, the argument's module take only these units, int64 `(kept,)`, of what it is given."""
    module = model.get_submodule(argument.path)
    module.register_buffer(KEPT, units.to(next(module.parameters()).device))
    module.register_forward_pre_hook(partial(_take, argument.name), with_kwargs=True)


def _take(name: str, module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
    return args, {**named, name: named[name].index_select(1, module.get_buffer(KEPT))}
