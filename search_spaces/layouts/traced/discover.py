"""Discover: find what can be pruned in any network, and prove on the example inputs that it can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from torch import nn

from search_spaces.groups import Group, GroupKind, channel_levels
from search_spaces.layouts.layers import side_sizes
from search_spaces.layouts.layout import Axis, Count, Layout, Link, Side, UnprunableModelError
from search_spaces.layouts.traced.dependencies import Dependencies, OutputError
from search_spaces.layouts.traced.inputs import Inputs, class_of
from search_spaces.layouts.traced.proved import largest_proved
from search_spaces.layouts.traced.units import CannotFollowError
from search_spaces.soundness import check_own_weights, check_sound

ROUND_TO = 8
NOT_THE_SAME = "without some of its channels the model does not run, or computes something else"


def discover_channels(
    model: nn.Module, example_inputs: Inputs, *, round_to: int = ROUND_TO, ignored: Sequence[str] = ()
) -> Layout:
    """Return the groups of channels and neurons of `model` with all layers that follow them; the model is left as is.

    `example_inputs` are a tensor, a sequence or a mapping that the model accepts. Layers at or below the paths in
    `ignored` keep their outputs, as the model keeps its own. Channels that share a group of a convolution or norm go
    together. What cannot follow its channels stays dense: attention, recurrent layers, and every group whose smaller
    network would not run or would not compute what the dense one computes without those channels.
    Raises `UnprunableModelError` for a model that cannot be traced, that is not sound (`search_spaces.soundness`) or in
    which nothing can be pruned, and for an ignored path that names no layer.
    """
    _check_paths(model, ignored)
    check_own_weights(model)
    found, dense = _found(model, example_inputs, ignored)
    space = largest_proved(model, _space(model, found, round_to), example_inputs)
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
        f"{class_of(model)}: no layer has channels that can be removed; give a network with at least one hidden "
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
    roots = list(dependencies.roots())
    for root in roots:
        if root in led:
            continue
        try:
            links = dependencies.links(root)
        except CannotFollowError as error:
            led |= error.layers
            if not isinstance(error, OutputError):
                dense |= {path: str(error) for path in roots if path in error.layers}
            continue
        led |= {link.path for link in links if link.axis is Axis.ROWS}
        if _complete(links) and not _touches(links, ignored):
            found[root] = links
    return found, dense


def _touches(links: Sequence[Link], ignored: Sequence[str]) -> bool:
    """Whether the outputs of a layer at or below an ignored path would change."""
    changed = [f"{link.path}." for link in links if link.axis is not Axis.COLUMNS]
    return any(path.startswith(f"{place}.") for path in changed for place in ignored)


def _complete(links: Sequence[Link]) -> bool:
    """Whether a layer reads the units, and every link has the same number of entries per unit."""
    units = int(links[0].units.max()) + 1
    return any(link.axis is Axis.COLUMNS for link in links) and all(
        len(set(link.units.bincount(minlength=units).tolist())) == 1 for link in links
    )


def _space(model: nn.Module, found: Mapping[str, tuple[Link, ...]], round_to: int) -> Layout:
    groups = tuple(_group(name, index, links, round_to) for index, (name, links) in enumerate(found.items()))
    sizes = {link.side: _size(model, link) for links in found.values() for link in links}
    counts = {
        name: tuple(each for link in links for each in _counts(model, link, sizes)) for name, links in found.items()
    }
    return Layout(groups, found, sizes, counts=counts)


def _counts(model: nn.Module, link: Link, sizes: Mapping[Side, int]) -> Iterator[Count]:
    """Yield the attributes of a bare parameter's owner that hold its size, such as a shape that it is viewed in."""
    if link.axis is not Axis.PARAMETER or len(link.entries) != sizes[link.side]:
        return
    owner, per_unit = link.path.rpartition(".")[0], len(link.entries) // (int(link.units.max()) + 1)
    for attribute, value in vars(model.get_submodule(owner)).items():
        if type(value) is int and value == len(link.entries):
            yield Count(path=owner, attribute=attribute, per_unit=per_unit)
        elif type(value) is tuple and value.count(len(link.entries)) == 1:
            place = value.index(len(link.entries))
            yield Count(path=owner, attribute=attribute, per_unit=per_unit, place=place)


def _group(name: str, index: int, links: Sequence[Link], round_to: int) -> Group:
    units = int(links[0].units.max()) + 1
    size = len(links[0].units) // units
    return Group(
        name=name,
        kind=GroupKind.CHANNELS,
        layer=index,
        units=units,
        unit_size=size,
        levels=channel_levels(units, max(1, round_to // size)),
        producers=tuple(link.path for link in links if link.axis is Axis.ROWS),
        consumers=tuple(link.path for link in links if link.axis is Axis.COLUMNS),
    )


def _size(model: nn.Module, link: Link) -> int:
    if link.axis is Axis.PARAMETER:
        return int(model.get_parameter(link.path).shape[link.dim])
    return side_sizes(model.get_submodule(link.path))[link.axis]
