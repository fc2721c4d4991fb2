"""Named layouts: the row of an encoder's architecture becomes the groups and links of one model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from search_spaces.groups import Group, GroupKind, neuron_levels
from search_spaces.layouts.layout import Argument, Axis, Block, Count, Layout, Link, UnprunableModelError
from search_spaces.layouts.modeling_pruned import Constant
from search_spaces.layouts.rows import ROWS, Reads, Row

_HEADS = "layer.{}.heads"
_PART = re.compile(r"(?P<path>[\w.]+)(\[(?P<index>\d+)/(?P<of>\d+)\])?(?P<optional>\?)?")


def row_of(model: nn.Module) -> Row:
    """Return the row of a transformers model. Raises `UnprunableModelError` for an architecture without one."""
    model_type = str(getattr(getattr(model, "config", None), "model_type", type(model).__name__))
    if model_type not in ROWS:
        raise UnprunableModelError(f"models of type {model_type!r} cannot be pruned yet; known are {sorted(ROWS)}")
    return ROWS[model_type]


def has_row(model: nn.Module, reads: Reads) -> bool:
    """Whether a model is of transformers, reads this, and has a row."""
    row = ROWS.get(str(getattr(getattr(model, "config", None), "model_type", "")))
    return row is not None and row.reads == reads and hasattr(model, "base_model_prefix")


def width_of(model: nn.Module) -> int:
    """Return the width of the encoder's hidden states."""
    return int(encoder_config(model).hidden_size)


def encoder_path(model: nn.Module) -> str:
    """Return the path of the module that holds the encoder's layers."""
    return row_of(model).base or str(model.base_model_prefix)


def layer_paths(model: nn.Module) -> tuple[str, ...]:
    """Return the module path of every layer of the encoder, first layer first."""
    paths = [encoder_path(model)]
    for part in f"{row_of(model).layers}.*".split("."):
        names = {
            path: [n for n, _ in model.get_submodule(path).named_children()] if part == "*" else [part]
            for path in paths
        }
        paths = [f"{path}.{name}" for path in paths for name in names[path]]
    return tuple(paths)


def named_layout(model: nn.Module) -> Layout:
    """Return the layout of an encoder: first layer first, heads before neurons; what was removed before has no group.

    Raises `UnprunableModelError` naming the layer that differs from the row of the architecture.
    """
    row, head_size = row_of(model), _head_size(model)
    parts: list[_Part] = []
    layers = layer_paths(model)
    for index, layer in enumerate(layers):
        if not _is_removed(model, f"{layer}.{row.heads_output}"):
            parts.append(_heads(model, row, layer, index, head_size))
        if not _is_removed(model, _neurons_output(model, row, layer)):
            parts.append(_neurons(model, row, layer, index))
    if not parts:
        raise UnprunableModelError("every layer of this model has lost its heads and neurons: nothing is left to prune")
    links = {group.name: links for group, links, _, _ in parts}
    sizes = {link.side: _size(model, link) for of_group in links.values() for link in of_group}
    return Layout(
        tuple(group for group, _, _, _ in parts),
        links,
        sizes,
        counts={group.name: counts for group, _, counts, _ in parts},
        arguments=_arguments(model, row, layers),
        blocks={group.name: block for group, _, _, block in parts if block},
        gives_bias=True,
        layers=layers,
    )


_Part = tuple[Group, tuple[Link, ...], tuple[Count, ...], Block | None]


def _heads(model: nn.Module, row: Row, layer: str, index: int, head_size: int) -> _Part:
    output = f"{layer}.{row.heads_output}"
    heads = _linear(model, output).in_features // head_size
    units = _linear(model, f"{layer}.{row.shared[0]}").out_features // head_size if row.shared else heads
    size = heads // units * head_size
    links = (
        *_rows(model, layer, row.heads, units, size),
        *_rows(model, layer, row.shared, units, head_size),
        *_tables(model, layer, row.head_tables, units, heads // units),
        _link(output, Axis.COLUMNS, units, size),
    )
    group = Group(
        name=_HEADS.format(index),
        kind=GroupKind.HEADS,
        layer=index,
        units=units,
        unit_size=size,
        levels=tuple(range(0 if row.attention else 1, units + 1)),
        producers=_paths(links, Axis.ROWS),
        consumers=(output,),
    )
    counts = tuple(
        Count(path=_below(layer, path), attribute=attribute, per_unit=per_head * heads // units)
        for names, per_head in ((row.head_counts, 1), (row.head_widths, head_size))
        for path, _, attribute in (name.rpartition(".") for name in names)
    )
    return group, links, counts, _attention_block(layer, row, output, links)


def _attention_block(layer: str, row: Row, output: str, links: Sequence[Link]) -> Block | None:
    if not row.attention:
        return None
    attention = f"{layer}.{row.attention}"
    tables = {link.path.rpartition(".")[0] for link in links if link.axis is Axis.PARAMETER}
    return Block(output=output, bypassed=(attention,), dropped=tuple(sorted(tables - {attention})))


def _arguments(model: nn.Module, row: Row, layers: Sequence[str]) -> dict[str, Argument]:
    maker = f"{encoder_path(model)}.{row.heads_argument_of}"
    if not row.heads_argument or (row.heads_argument_of and not _exists(model, maker)):
        return {}
    path, _, name = row.heads_argument.rpartition(".")
    return {_HEADS.format(index): Argument(path=_below(layer, path), name=name) for index, layer in enumerate(layers)}


def _neurons(model: nn.Module, row: Row, layer: str, index: int) -> _Part:
    output = _neurons_output(model, row, layer)
    neurons = _linear(model, output).in_features
    links = (*_rows(model, layer, row.neurons, neurons, 1), _link(output, Axis.COLUMNS, neurons, 1))
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


def _neurons_output(model: nn.Module, row: Row, layer: str) -> str:
    outputs = [f"{layer}.{name}" for name in row.neurons_output.split("|")]
    return next((path for path in outputs if _exists(model, path)), outputs[0])


def _link(path: str, axis: Axis, units: int, each: int, *, first: int = 0, dim: int = 0) -> Link:
    entries = torch.arange(units * each)
    return Link(path=path, axis=axis, entries=entries + first, units=entries // each, dim=dim)


def _rows(model: nn.Module, layer: str, producers: Sequence[str], units: int, each: int) -> Iterator[Link]:
    """Yield the links of the layers that produce the units, `each` rows a unit."""
    for text in producers:
        part = _PART.fullmatch(text)
        assert part is not None, text  # rows are written in this project
        path = f"{layer}.{part['path']}"
        if part["optional"] and not _exists(model, path):
            continue
        linear, blocks, width = _linear(model, path), int(part["of"] or 1), units * each
        if linear.out_features != blocks * width:
            raise UnprunableModelError(
                f"{path} has {linear.out_features} outputs where {blocks * width} are expected; such attention or "
                "feed-forward layers cannot be pruned yet"
            )
        yield _link(path, Axis.ROWS, units, each, first=int(part["index"] or 0) * width)


def _tables(model: nn.Module, layer: str, names: Sequence[str], units: int, each: int) -> Iterator[Link]:
    for name in names:
        path = f"{layer}.{name.removesuffix('?')}"
        if not name.endswith("?") or _exists(model, path):
            yield _link(path, Axis.PARAMETER, units, each, dim=model.get_parameter(path).dim() - 1)


def _paths(links: Sequence[Link], axis: Axis) -> tuple[str, ...]:
    return tuple(dict.fromkeys(link.path for link in links if link.axis is axis))


def _size(model: nn.Module, link: Link) -> int:
    if link.axis is Axis.PARAMETER:
        return int(model.get_parameter(link.path).shape[link.dim])
    linear = _linear(model, link.path)
    return linear.out_features if link.axis is Axis.ROWS else linear.in_features


def layer_widths(model: nn.Module) -> tuple[tuple[int, int], ...]:
    """Return the heads and the neurons of every layer of the encoder, first layer first."""
    row, head_size = row_of(model), _head_size(model)

    def inputs(path: str) -> int:
        return 0 if _is_removed(model, path) else _linear(model, path).in_features

    return tuple(
        (inputs(f"{layer}.{row.heads_output}") // head_size, inputs(_neurons_output(model, row, layer)))
        for layer in layer_paths(model)
    )


def encoder_part(config: Any) -> Any:
    """Return the part of a configuration that describes the encoder: all of it, unless it has a part for images."""
    return getattr(config, "vision_config", config)


def _head_size(model: nn.Module) -> int:
    config = encoder_config(model)
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _is_removed(model: nn.Module, output: str) -> bool:
    return isinstance(model.get_submodule(output), Constant)


def encoder_config(model: nn.Module) -> Any:  # Any: transformers has one config class per architecture
    """Return the configuration of the encoder: a part of the model's own where the model has several parts."""
    return model.get_submodule(encoder_path(model)).config


def _exists(model: nn.Module, path: str) -> bool:
    """Whether every part of the path is there: a part that a configuration leaves out is absent or None."""
    found: object = model
    for name in path.split("."):
        found = getattr(found, name, None)
    return found is not None


def _below(layer: str, path: str) -> str:
    return f"{layer}.{path}" if path else layer


def _linear(model: nn.Module, path: str) -> nn.Linear:
    module = model.get_submodule(path)
    if not isinstance(module, nn.Linear):
        raise UnprunableModelError(
            f"{path} is of {type(module).__name__}, not a linear layer; only dense models are pruned"
        )
    return module
