"""Surgery: make a model physically smaller by taking entries of its layers; the layers' tensors are never written to.

The same surgery serves candidates in memory and exported models being loaded.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TypeVar, cast

from torch import Tensor, nn

from search_spaces.groups import GroupKind
from search_spaces.layouts.blocks import remove_block
from search_spaces.layouts.layers import shrink_layer, take
from search_spaces.layouts.layout import Axis, Layout
from search_spaces.layouts.modeling_pruned import take_units

Module = TypeVar("Module", bound=nn.Module)


def share_structure(model: nn.Module) -> nn.Module:
    """Return a copy of the module tree whose parameters, buffers and configuration are those of `model` itself.

    A fifth of the time of a deep copy that spares the tensors: a candidate is stitched for every question asked of it.
    """
    copies: dict[nn.Module, nn.Module] = {}

    def copied(module: nn.Module) -> nn.Module:
        if module not in copies:
            copies[module] = twin = _twin(module)
            twin._modules = {name: child and copied(child) for name, child in module._modules.items()}
        return copies[module]

    return copied(model)


def shrink(model: nn.Module, layout: Layout, kept: Mapping[str, Tensor]) -> None:
    """Keep, in place, the units `kept` by group name; a group that it does not name stays dense.

    A group without units gives its place to its block.
    """
    by_path: dict[str, dict[Axis, Tensor]] = {}
    for (path, axis), entries in layout.kept_entries({n: units for n, units in kept.items() if len(units)}).items():
        by_path.setdefault(path, {})[axis] = entries
    dims = layout.dims()
    for path, sides in by_path.items():
        if Axis.PARAMETER in sides:
            owner, _, name = path.rpartition(".")
            take(model.get_submodule(owner), name, dims[path], sides[Axis.PARAMETER])
        else:
            shrink_layer(model.get_submodule(path), sides)
    kinds = {group.name: group.kind for group in layout.groups}
    for name, units in kept.items():
        for count in layout.counts.get(name, ()):
            count.set(model.get_submodule(count.path), len(units))
        if len(units) and name in layout.arguments:
            argument = layout.arguments[name]
            take_units(model.get_submodule(argument.path), argument.name, units)
        if not len(units):
            remove_block(model, layout.blocks[name], is_attention=kinds[name] == GroupKind.HEADS)


def sliced(model: Module, layout: Layout, kept: Mapping[str, Tensor]) -> Module:
    """Return the smaller model that keeps the units `kept` by group name, sharing the other weights of `model`."""
    small = share_structure(model)
    shrink(small, layout, kept)
    return cast("Module", small)


def _twin(module: Module) -> Module:
    """Return a shallow copy: the same tensors and children in its own dictionaries, so that changes stay local.

    A new layer would be initialised at random first, which takes longer than all the rest of a candidate's making.
    """
    twin = copy.copy(module)
    for name, value in vars(module).items():
        if isinstance(value, dict):  # parameters, buffers, children, hooks
            twin.__dict__[name] = value.copy()
    return twin
