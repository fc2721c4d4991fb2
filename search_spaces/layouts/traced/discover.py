"""Discover: find what can be pruned in any network, and prove on the example inputs that it can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from search_spaces.groups import Group, GroupKind, channel_levels
from search_spaces.layouts.layers import row_dim, side_sizes, weight_of
from search_spaces.layouts.layout import Axis, Layout, Link, Side, UnprunableModelError
from search_spaces.layouts.surgery import share_structure
from search_spaces.layouts.traced.dependencies import CannotFollowError, Dependencies, OutputError
from search_spaces.layouts.traced.inputs import Inputs, agree, answers
from search_spaces.soundness import check_own_weights, check_sound
from search_spaces.transforms.units.channels.materialize import slice_channels

ROUND_TO = 8
NOT_THE_SAME = "without some of its channels the model does not run, or computes something else"


def discover_channels(
    model: nn.Module, example_inputs: Inputs, *, round_to: int = ROUND_TO, ignored: Sequence[str] = ()
) -> Layout:
    """Return the groups of channels and neurons of `model` with all layers that follow them; the model is left as is.

    `example_inputs` are a tensor, a sequence or a mapping that the model accepts. Layers at or below the paths in
    `ignored` keep their outputs, as the model keeps its own. What cannot follow its channels stays dense: grouped
    convolutions other than depthwise ones, attention, recurrent layers, and every group whose smaller network would
    not run or would not compute what the dense one computes without those channels.
    Raises `UnprunableModelError` for a model that cannot be traced, that is not sound (`search_spaces.soundness`) or in
    which nothing can be pruned, and for an ignored path that names no layer.
    """
    _check_paths(model, ignored)
    check_own_weights(model)
    found, dense = _found(model, example_inputs, ignored)
    space = _space(model, found, round_to)
    if not _holds(model, space, example_inputs):
        space = _largest_holding(model, found, example_inputs, round_to)
    dense |= {name: NOT_THE_SAME for name in found if name not in space.links}
    if not space.groups:
        raise UnprunableModelError(_why_nothing(model, dense))
    return replace(space, dense=dense)


def _why_nothing(model: nn.Module, dense: Mapping[str, str]) -> str:
    if dense:
        reasons = "; ".join(f"{path} ({reason})" for path, reason in dense.items())
        return (
            f"nothing can be pruned: {reasons}. Keep reshapes and fixed channel numbers out of the model's forward, "
            "or prune it by masks"
        )
    return (
        f"{type(model).__name__}: no layer has channels that can be removed; give a network with at least one hidden "
        "convolution or linear layer, or ignore fewer layers"
    )


def _check_paths(model: nn.Module, ignored: Sequence[str]) -> None:
    paths = dict(model.named_modules())
    for path in ignored:
        if path not in paths:
            raise UnprunableModelError(
                f"ignored: no layer is called {path!r}; layers are called like {list(paths)[-1]!r}"
            )


def _found(
    model: nn.Module, example_inputs: Inputs, ignored: Sequence[str]
) -> tuple[dict[str, tuple[Link, ...]], dict[str, str]]:
    """Return the links of every group by the path of the layer that leads it, and why other layers lead none."""
    dependencies = Dependencies(model, example_inputs)
    check_sound(model, example_inputs)
    found: dict[str, tuple[Link, ...]] = {}
    dense: dict[str, str] = {}
    led: set[str] = set()  # layers whose outputs belong to a group already
    for root in dependencies.roots():
        if root in led:
            continue
        try:
            links = dependencies.links(root)
        except OutputError:
            continue
        except CannotFollowError as error:
            dense[root] = str(error)
            continue
        led |= {link.path for link in links if link.axis is Axis.ROWS}
        if _complete(links) and not _touches(links, ignored):
            found[root] = links
    return found, dense


def _touches(links: Sequence[Link], ignored: Sequence[str]) -> bool:
    """Whether the outputs of a layer at or below an ignored path would change."""
    changed = [f"{link.path}." for link in links if link.axis is not Axis.COLUMNS]
    return any(path.startswith(f"{place}.") for path in changed for place in ignored)


def _largest_holding(
    model: nn.Module, found: Mapping[str, tuple[Link, ...]], example_inputs: Inputs, round_to: int
) -> Layout:
    """Return the space of the groups that hold together, taken in one by one."""
    space = _space(model, {}, round_to)
    for name, links in found.items():
        larger = _space(model, {**space.links, name: links}, round_to)
        space = larger if _holds(model, larger, example_inputs) else space
    return space


def _complete(links: Sequence[Link]) -> bool:
    """Whether a layer reads the units, and every link has the same number of entries per unit."""
    units = int(links[0].units.max()) + 1
    return any(link.axis is Axis.COLUMNS for link in links) and all(
        len(set(link.units.bincount(minlength=units).tolist())) == 1 for link in links
    )


def _space(model: nn.Module, found: Mapping[str, tuple[Link, ...]], round_to: int) -> Layout:
    groups = tuple(_group(name, index, links, round_to) for index, (name, links) in enumerate(found.items()))
    sizes = {link.side: _size(model, link) for links in found.values() for link in links}
    return Layout(groups, found, sizes)


def _group(name: str, index: int, links: Sequence[Link], round_to: int) -> Group:
    units = int(links[0].units.max()) + 1
    return Group(
        name=name,
        kind=GroupKind.CHANNELS,
        layer=index,
        units=units,
        unit_size=1,
        levels=channel_levels(units, round_to),
        producers=tuple(link.path for link in links if link.axis is Axis.ROWS),
        consumers=tuple(link.path for link in links if link.axis is Axis.COLUMNS),
    )


def _size(model: nn.Module, link: Link) -> int:
    if link.axis is Axis.PARAMETER:
        return int(model.get_parameter(link.path).shape[link.dim])
    return side_sizes(model.get_submodule(link.path))[link.axis]


def _holds(model: nn.Module, space: Layout, example_inputs: Inputs) -> bool:
    """Whether the network with half its units runs, and computes what the dense one does when no layer reads the rest.

    A layer norm sees how many channels there are, so that with one the two differ by design: then running is enough.
    """
    kept = {group.name: torch.arange(0, group.units, 2) for group in space.groups}
    try:
        small = _answers(slice_channels(model, space, kept), example_inputs)
    except Exception:  # foreign forward code refuses shapes in its own words
        return False
    if any(_mixes(model, link) for links in space.links.values() for link in links):
        return [output.shape for output in small] == [
            output.shape for output in _answers(share_structure(model), example_inputs)
        ]
    masked = _answers(_unread(model, space, kept), example_inputs)
    return all(agree(*pair) for pair in zip(small, masked, strict=True))


def _mixes(model: nn.Module, link: Link) -> bool:
    return link.axis is Axis.CHANNELS and isinstance(model.get_submodule(link.path), nn.LayerNorm | nn.GroupNorm)


def _answers(model: nn.Module, example_inputs: Inputs) -> list[Tensor]:
    with torch.no_grad():
        return answers(model.eval(), example_inputs)


def _unread(model: nn.Module, space: Layout, kept: dict[str, Tensor]) -> nn.Module:
    """Return the dense network whose readers have zeros in the columns of the removed units."""
    twin = share_structure(model)
    stays: dict[Side, Tensor] = space.kept_entries(kept)
    for (path, axis), columns in stays.items():
        if axis is Axis.COLUMNS:
            layer = twin.get_submodule(path)
            weight = weight_of(layer)
            zeros, dim = torch.zeros_like(weight), 1 - row_dim(layer)
            zeros.index_copy_(dim, columns.to(weight.device), weight.index_select(dim, columns.to(weight.device)))
            layer.weight = nn.Parameter(zeros, requires_grad=False)
    return twin
