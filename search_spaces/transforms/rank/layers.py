"""Layers that can take a low rank, and the ranks at which the two layers that replace one hold fewer weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import nn

from search_spaces.groups import Group, GroupKind
from search_spaces.layouts.layout import Axis, Side
from search_spaces.layouts.modeling_pruned import FROM_RANK, give_rank
from search_spaces.transforms.transform import Dense

ENDING = ".rank"  # of the groups' names: the rest is the path of the layer
RANKS = 12  # levels of a layer that pay
MULTIPLE = 8  # as of neurons: kernels work in blocks


def rank_groups(dense: Dense) -> tuple[Group, ...]:
    """Return the layers of the layout and the embedding of tokens, each with the ranks that pay and the full one."""
    layout, table = dense.layout, dense.vocabulary.path if dense.vocabulary else None
    owners: dict[str, Group] = {}
    for group in layout.groups:
        for link in layout.links[group.name]:
            if link.axis in (Axis.ROWS, Axis.COLUMNS):
                owners.setdefault(link.path, group)
    found = []
    for path, layer in dense.model.named_modules():
        if path == table and can_split(layer):
            found.append(_group(path, layer, GroupKind.TABLE_RANK, 0, ()))
        elif path in owners and can_split(layer):
            found.append(_group(path, layer, GroupKind.RANK, owners[path].layer, (owners[path].name,)))
    return tuple(group for group in found if len(group.levels) > 1)


def can_split(layer: nn.Module) -> bool:
    """Whether a layer is one that a product of two can replace."""
    plain = type(layer) is nn.Linear or (type(layer) is nn.Conv2d and layer.groups == 1)
    return (plain or type(layer) is nn.Embedding) and not is_split(layer)


def is_split(layer: nn.Module) -> bool:
    """Whether a layer has a low rank already."""
    return hasattr(layer, FROM_RANK)


def path_of(name: str) -> str:
    """Return the path of the layer of a group."""
    return name.removesuffix(ENDING)


def shape_of(layer: nn.Module, path: str, left: Mapping[Side, int]) -> tuple[int, ...]:
    """Return the shape of a dense layer's weight after the transforms before, which left so many entries of sides."""
    rows, columns, *taps = layer.get_parameter("weight").shape
    return (left.get((path, Axis.ROWS), rows), left.get((path, Axis.COLUMNS), columns), *taps)


def weights_per_rank(shape: tuple[int, ...]) -> int:
    """Return how many weights one more rank adds: a row of outputs and one of inputs."""
    return shape[0] + math.prod(shape[1:])


def with_rank(layer: nn.Module, rank: int) -> nn.Module:
    """Give a layer a rank, in place, with weights that are its own first ones: for what depends on shapes alone."""
    weight, bias = layer.get_parameter("weight").detach(), getattr(layer, "bias", None)
    rows = weight.shape[1] if isinstance(layer, nn.Embedding) else len(weight)
    inner = weight[:, :rank] if isinstance(layer, nn.Embedding) else weight[:rank]
    give_rank(layer, inner.contiguous(), weight.flatten()[: rows * rank].reshape(rows, rank), bias)
    return layer


def pays(rank: int, shape: tuple[int, ...]) -> bool:
    """Whether two layers of this rank hold fewer weights than one of this shape."""
    return rank * weights_per_rank(shape) < math.prod(shape)


def ranks(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return at most about `RANKS` ranks that pay, in equal steps, and the full rank, which leaves the layer whole."""
    full = min(shape[0], math.prod(shape[1:]))
    even = math.prod(shape) / weights_per_rank(shape)
    step = math.ceil(even / (RANKS * MULTIPLE)) * MULTIPLE
    return (*(rank for rank in range(step, full, step) if pays(rank, shape)), full)


def _group(path: str, layer: nn.Module, kind: str, index: int, owners: tuple[str, ...]) -> Group:
    levels = ranks(tuple(layer.get_parameter("weight").shape))
    return Group(
        name=f"{path}{ENDING}",
        kind=kind,
        layer=index,
        units=levels[-1],
        unit_size=1,
        levels=levels,
        producers=(path,),
        consumers=(),
        owners=owners,
    )
