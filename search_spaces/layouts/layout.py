"""A layout: the groups of a model, and for every group the entries of all layers that follow it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import torch
from torch import Tensor, nn

from search_spaces.config import Config
from search_spaces.groups import Group


class UnprunableModelError(ValueError):
    """A model whose groups cannot be found; the text names what is missing."""


class Axis(StrEnum):
    """Which side of a layer a link touches."""

    ROWS = "rows"  # outputs of a convolution or linear layer
    COLUMNS = "columns"  # inputs of a convolution or linear layer
    CHANNELS = "channels"  # both at once: norms, depthwise convolutions
    PARAMETER = "parameter"  # a parameter that no layer owns, such as a learned scale


Side = tuple[str, Axis]  # module path (or parameter name) and side


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Link:
    """The entries of one side of one layer that belong to the units of a group.

    `entries` `(m,)` are indices on that side, `units` `(m,)` the unit each belongs to; every unit owns equally many.
    `dim` is the dimension of a bare parameter.
    """

    path: str
    axis: Axis
    entries: Tensor
    units: Tensor
    dim: int = 0

    @property
    def side(self) -> Side:
        """The side of the layer that the link touches."""
        return self.path, self.axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """An attribute of a module that holds a number proportional to the units of a group, in a tuple at `place`."""

    path: str
    attribute: str
    per_unit: int
    place: int | None = None

    def set(self, module: nn.Module, units: int) -> None:
        """Set the attribute of the `module` at the path to so many units."""
        number: int | tuple[int, ...] = self.per_unit * units
        if self.place is not None:
            old = getattr(module, self.attribute)
            number = (*old[: self.place], self.per_unit * units, *old[self.place + 1 :])
        setattr(module, self.attribute, number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """A keyword argument `(batch, units, …)` of a module that other layers are given too: each takes its own units."""

    path: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What is left of a group without units: `output` gives a constant, the modules `bypassed` pass their input on.

    The modules `dropped` served its units alone and become None.
    """

    output: str
    bypassed: tuple[str, ...]
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What can be pruned in one model: `links` by group name, `sizes` the dense number of entries of every side.

    `dense` says, by the path of a hidden layer that was not excluded by name, why its outputs cannot be pruned.
    `counts`, `arguments` and `blocks` are by group name; a group without a block keeps at least one unit. `gives_bias`:
    a reader without a bias gets one, for what the removed units contributed on average. `layers` are the paths of the
    modules that are called one after another, where a row names them.
    """

    groups: tuple[Group, ...]
    links: Mapping[str, tuple[Link, ...]]
    sizes: Mapping[Side, int]
    dense: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, tuple[Count, ...]] = field(default_factory=dict)
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    blocks: Mapping[str, Block] = field(default_factory=dict)
    gives_bias: bool = False
    layers: tuple[str, ...] = ()

    def only(self, names: Collection[str]) -> Layout:
        """Return the layout of the groups with these names, numbered anew; the others stay dense."""
        links = {name: each for name, each in self.links.items() if name in names}
        sides = {link.side for each in links.values() for link in each}
        return replace(
            self,
            groups=tuple(replace(g, layer=i) for i, g in enumerate(g for g in self.groups if g.name in links)),
            links=links,
            sizes={side: size for side, size in self.sizes.items() if side in sides},
        )

    def kept_entries(self, kept: Mapping[str, Tensor]) -> dict[Side, Tensor]:
        """Return, for every side that shrinks, the entries that stay, ascending.

        `kept` holds the units that stay by group name; a group it does not name stays dense.
        """
        stays: dict[Side, Tensor] = {}
        for group in self.groups:
            if group.name not in kept:
                continue
            unit_stays = torch.zeros(group.units, dtype=torch.bool)
            unit_stays[kept[group.name].cpu()] = True
            for link in self.links[group.name]:
                side = stays.setdefault(link.side, torch.ones(self.sizes[link.side], dtype=torch.bool))
                side[link.entries] = unit_stays[link.units]
        return {side: mask.nonzero().flatten() for side, mask in stays.items() if not bool(mask.all())}

    def kept_counts(self, config: Config) -> dict[Side, int]:
        """Return how many entries of every linked side stay in `config`; no model and no ranking needed."""
        counts = dict(self.sizes)
        levels = config.as_dict()
        for group in self.groups:
            for link in self.links[group.name]:
                counts[link.side] -= len(link.entries) // group.units * (group.units - levels[group.name])
        return counts

    def dims(self) -> dict[str, int]:
        """Return the pruned dimension of every bare parameter by name."""
        return {link.path: link.dim for links in self.links.values() for link in links if link.axis is Axis.PARAMETER}

    def readers(self, group: Group) -> tuple[Link, ...]:
        """Return the links of the layers that read the group's units."""
        return self._on(group, Axis.COLUMNS)

    def writers(self, group: Group) -> tuple[Link, ...]:
        """Return the links of the layers that produce the group's units."""
        return self._on(group, Axis.ROWS)

    def _on(self, group: Group, axis: Axis) -> tuple[Link, ...]:
        return tuple(link for link in self.links[group.name] if link.axis is axis)
