"""Units: which channels can only go together, because they share an entry or a group of a layer."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from search_spaces.layouts.layers import CONVOLUTIONS


class CannotFollowError(ValueError):
    """A layer cannot shrink with the channels that it reads; their group, led by any of `layers`, stays dense."""

    layers: frozenset[str] = frozenset()


class Units:
    """The units of a group, at first one per channel of the layer that leads it."""

    def __init__(self, channels: int) -> None:
        self._parent = list(range(channels))

    def join(self, one: int, other: int) -> None:
        """Make the units of two channels one."""
        first, second = sorted((self._first(one), self._first(other)))
        self._parent[second] = first

    def join_groups(self, layer: nn.Module, owners: Mapping[int, int], path: str) -> None:
        """Join the channels of every group of a grouped convolution or norm, given the channel that owns each entry.

        Raises `CannotFollowError` where a group has entries of other layers as well.
        """
        if (size := _group_size(layer)) == 1:
            return
        for start in {entry // size * size for entry in owners}:
            if any(entry not in owners for entry in range(start, start + size)):
                raise CannotFollowError(f"{path}: a group of its channels comes from several layers")
            for entry in range(start + 1, start + size):
                self.join(owners[start], owners[entry])

    def numbers(self) -> list[int]:
        """Return the unit of every channel, counted from 0. Raises `CannotFollowError` where all are one."""
        firsts = [self._first(channel) for channel in range(len(self._parent))]
        number = {first: unit for unit, first in enumerate(dict.fromkeys(firsts))}
        if len(number) == 1 < len(firsts):
            raise CannotFollowError("these channels can only go all at once")
        return [number[first] for first in firsts]

    def _first(self, channel: int) -> int:
        while (parent := self._parent[channel]) != channel:
            self._parent[channel] = channel = self._parent[parent]
        return channel


def is_grouped(layer: nn.Module) -> bool:
    """Whether it is a convolution of several groups, whose outputs go with its inputs."""
    return isinstance(layer, CONVOLUTIONS) and layer.groups > 1


def _group_size(layer: nn.Module) -> int:
    """Return how many channels of a layer go together; a norm over all of them takes any."""
    if isinstance(layer, CONVOLUTIONS):
        return layer.in_channels // layer.groups if layer.groups > 1 else 1
    return layer.num_channels // layer.num_groups if isinstance(layer, nn.GroupNorm) and layer.num_groups > 1 else 1
