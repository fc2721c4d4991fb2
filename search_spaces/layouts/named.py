"""Named layouts: the row of a text encoder's architecture becomes the groups and links of one model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from search_spaces.groups import Group, GroupKind, neuron_levels
from search_spaces.layouts.layout import Argument, Axis, Block, Count, Layout, Link, UnprunableModelError
from search_spaces.layouts.rows import ROWS, Row

_HEADS = "layer.{}.heads"
_PART = re.compile(r"(?P<path>[\w.]+)(\[(?P<index>\d+)/(?P<of>\d+)\])?(?P<optional>\?)?")


def row_of(model: nn.Module) -> Row:
    """Return the row of a transformers model. Raises `UnprunableModelError` for an architecture without one."""
    model_type = str(getattr(getattr(model, "config", None), "model_type", type(model).__name__))
    if model_type not in ROWS:
        raise UnprunableModelError(f"models of type {model_type!r} cannot be pruned yet; known are {sorted(ROWS)}")
    return ROWS[model_type]


def layer_paths(model: nn.Module) -> tuple[str, ...]:
    """Return the module path of every layer of the encoder, first layer first."""
    paths = [str(model.base_model_prefix)]
    for part in f"{row_of(model).layers}.*".split("."):
        names = {
            path: [n for n, _ in model.get_submodule(path).named_children()] if part == "*" else [part]
            for path in paths
        }
        paths = [f"{path}.{name}" for path in paths for name in names[path]]
    return tuple(paths)


def named_layout(model: nn.Module) -> Layout:
    """Return the layout of a dense encoder: first layer first, heads before neurons.

    Raises `UnprunableModelError` naming the layer that differs from the row of the architecture.
    """
    row, head_size = row_of(model), _head_size(model)
    parts: list[_Part] = []
    layers = layer_paths(model)
    for index, layer in enumerate(layers):
        parts += [_heads(model, row, layer, index, head_size), _neurons(model, row, layer, index)]
    links = {group.name: links for group, links, _, _ in parts}
    sizes = {link.side: _size(model, link) for of_group in links.values() for link in of_group}
    return Layout(
        tuple(group for group, _, _, _ in parts),
        links,
        sizes,
        counts={group.name: counts for group, _, counts, _ in parts},
        arguments=_arguments(row, layers),
        blocks={group.name: block for group, _, _, block in parts if block},
    )


_Part = tuple[Group, tuple[Link, ...], tuple[Count, ...], Block | None]


def _heads(model: nn.Module, row: Row, layer: str, index: int, head_size: int) -> _Part:
    output = f"{layer}.{row.heads_output}"
    heads = _linear(model, output).in_features // head_size
    links = _links(model, layer, row.heads, output, heads, head_size)
    group = Group(
        name=_HEADS.format(index),
        kind=GroupKind.HEADS,
        layer=index,
        units=heads,
        unit_size=head_size,
        levels=tuple(range(0 if row.attention else 1, heads + 1)),
        producers=_paths(links, Axis.ROWS),
        consumers=(output,),
    )
    counts = tuple(
        Count(path=f"{layer}.{path}", attribute=attribute, per_unit=per_unit)
        for names, per_unit in ((row.head_counts, 1), (row.head_widths, head_size))
        for path, _, attribute in (name.rpartition(".") for name in names)
    )
    block = Block(output=output, bypassed=(f"{layer}.{row.attention}",)) if row.attention else None
    return group, links, counts, block


def _arguments(row: Row, layers: Sequence[str]) -> dict[str, Argument]:
    path, _, name = row.heads_argument.rpartition(".")
    if not name:
        return {}
    return {_HEADS.format(index): Argument(path=f"{layer}.{path}", name=name) for index, layer in enumerate(layers)}


def _neurons(model: nn.Module, row: Row, layer: str, index: int) -> _Part:
    output = f"{layer}.{row.neurons_output}"
    neurons = _linear(model, output).in_features
    links = _links(model, layer, row.neurons, output, neurons, 1)
    producers = _paths(links, Axis.ROWS)
    group = Group(
        name=f"layer.{index}.neurons",
        kind=GroupKind.NEURONS,
        layer=index,
        units=neurons,
        unit_size=1,
        levels=neuron_levels(neurons),
        producers=producers,
        consumers=(output,),
    )
    return group, links, (), Block(output=output, bypassed=producers)


def _links(
    model: nn.Module, layer: str, producers: Sequence[str], output: str, units: int, unit_size: int
) -> tuple[Link, ...]:
    entries = torch.arange(units * unit_size)
    owners = entries // unit_size
    rows = [
        Link(path=path, axis=Axis.ROWS, entries=entries + first, units=owners)
        for path, first in _rows(model, layer, producers, len(entries))
    ]
    return (*rows, Link(path=output, axis=Axis.COLUMNS, entries=entries, units=owners))


def _rows(model: nn.Module, layer: str, producers: Sequence[str], width: int) -> Iterator[tuple[str, int]]:
    """Yield the path of every producer with the first of its `width` rows."""
    for text in producers:
        part = _PART.fullmatch(text)
        assert part is not None, text  # rows are written in this project
        path = f"{layer}.{part['path']}"
        if part["optional"] and not _exists(model, path):
            continue
        linear, blocks = _linear(model, path), int(part["of"] or 1)
        if linear.out_features != blocks * width:
            raise UnprunableModelError(
                f"{path} has {linear.out_features} outputs where {blocks * width} are expected; such attention or "
                "feed-forward layers cannot be pruned yet"
            )
        yield path, int(part["index"] or 0) * width


def _paths(links: Sequence[Link], axis: Axis) -> tuple[str, ...]:
    return tuple(dict.fromkeys(link.path for link in links if link.axis is axis))


def _size(model: nn.Module, link: Link) -> int:
    linear = _linear(model, link.path)
    return linear.out_features if link.axis is Axis.ROWS else linear.in_features


def _head_size(model: nn.Module) -> int:
    config: Any = model.config  # transformers has one config class per family
    return int(config.hidden_size // config.num_attention_heads)


def _exists(model: nn.Module, path: str) -> bool:
    owner, _, name = path.rpartition(".")
    return hasattr(model.get_submodule(owner), name)


def _linear(model: nn.Module, path: str) -> nn.Linear:
    module = model.get_submodule(path)
    if not isinstance(module, nn.Linear):
        raise UnprunableModelError(
            f"{path} is a {type(module).__name__}, not a linear layer; only dense models are pruned"
        )
    return module
