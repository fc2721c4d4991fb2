"""Layers whose weights can be stored in fewer bits, together where they read one tensor."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.groups import Group, GroupKind
from search_spaces.transforms.transform import Dense

ENDING = ".bits"  # of the groups' names: the rest are the paths of the layers
LEVELS = (4, 8, 16)
LEAST = 1024  # weights of a layer: those of a smaller one take hardly any bytes
FEW = 2  # examples show which layers read one tensor
_NUMBER = re.compile(r"\.\d+(?=\.|$)")
_SEVERAL = re.compile(r"(?P<before>.*)\((?P<names>.*)\)$")


def bit_groups(dense: Dense) -> tuple[Group, ...]:
    """Return the groups of layers, in the order in which the model calls them, with the bits that they may have."""
    model = dense.model
    owners: dict[str, Group] = {}
    for group in dense.layout.groups:
        for link in dense.layout.links[group.name]:
            owners.setdefault(link.path, group)
    return tuple(
        _group(dense, paths, [owners[path] for path in paths if path in owners]) for paths in _readers(model, dense)
    )


def paths_of(name: str) -> list[str]:
    """Return the paths of the layers of a group."""
    several = _SEVERAL.fullmatch(name.removesuffix(ENDING))
    if several is None:
        return [name.removesuffix(ENDING)]
    return [several["before"] + each for each in several["names"].split("+")]


def name_of(paths: Sequence[str]) -> str:
    """Return the name of a group: `PATH.bits`, or `PLACE.(NAME+NAME).bits` of several layers."""
    if len(paths) == 1:
        return f"{paths[0]}{ENDING}"
    parts = [path.split(".") for path in paths]
    before = [each[0] for each in takewhile(lambda each: len(set(each)) == 1, zip(*parts, strict=False))]
    names = [".".join(part[len(before) :]) for part in parts]
    return f"{'.'.join([*before, ''])}({'+'.join(names)}){ENDING}"


def can_store(layer: nn.Module) -> bool:
    """Whether a layer is one whose weight can be stored in fewer bits."""
    return type(layer) in (nn.Linear, nn.Conv2d, nn.Embedding)


def levels_of(layer: nn.Module, dense_bits: int) -> tuple[int, ...]:
    """Return the bits that a layer's weight may have; the last are those of the dense model's file."""
    least = 8 if isinstance(layer, nn.Conv2d) else 4
    return (*(bits for bits in LEVELS if least <= bits < dense_bits), dense_bits)


def dense_bits(dense: Dense, path: str) -> int:
    """Return the bits of a layer's weight in the dense model's file."""
    name = f"{path}.weight"
    return 8 * dense.written_as(name, dense.model.get_parameter(name)).itemsize


@torch.no_grad()
def _readers(model: nn.Module, dense: Dense) -> list[list[str]]:
    """Return the paths of layers by the tensor that they read first, those of one entry of a list of blocks together.

    A tensor is known by its place in memory, which its readers hold, and by how often it was written to.
    """
    found: dict[object, list[str]] = {}
    held: list[Tensor] = []
    weights = Counter(id(getattr(layer, "weight", None)) for layer in model.modules())

    def note(path: str, _layer: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        if any(path in paths for paths in found.values()):
            return
        held.append(next(iter((*inputs, *named.values()))))
        tensor, block = held[-1], _NUMBER.search(path)
        first = path[: block.end()] if block else ""
        found.setdefault((tensor.data_ptr(), tensor.numel(), tensor._version, first), []).append(path)

    handles = [
        layer.register_forward_pre_hook(partial(note, path), with_kwargs=True)
        for path, layer in model.named_modules()
        if can_store(layer) and layer.get_parameter("weight").numel() >= LEAST and weights[id(layer.weight)] == 1
    ]
    handles.append(model.register_forward_hook(_leave))
    try:
        batch = next(iter(dense.batches()))
        dense.answers(model, {name: tensor[:FEW] for name, tensor in batch.items()})
    except _SeenError:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return [*found.values()]


class _SeenError(Exception):
    """The model has run; what its answers mean does not matter."""


def _leave(*_: object) -> None:
    raise _SeenError


def _group(dense: Dense, paths: Sequence[str], owners: Sequence[Group]) -> Group:
    layers = [dense.model.get_submodule(path) for path in paths]
    levels = max(
        (levels_of(layer, dense_bits(dense, path)) for path, layer in zip(paths, layers, strict=True)), key=len
    )
    is_table = isinstance(layers[0], nn.Embedding)
    return Group(
        name=name_of(paths),
        kind=GroupKind.TABLE_BITS if is_table else GroupKind.BITS,
        layer=owners[0].layer if owners else 0,
        units=levels[-1],
        unit_size=1,
        levels=levels,
        producers=tuple(paths),
        consumers=(),
        owners=tuple(dict.fromkeys(owner.name for owner in owners)),
    )
