"""Blocks: groups of several transforms whose costs multiply, as a layer's rank counts for the inputs that units leave.

A block is a tree: a group's cost depends on the levels of the groups above it, and on no others. Its root is what the
layout calls a group, such as the heads of a layer. Behind it comes what many layers share, then what concerns one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search_spaces.groups import Group


@dataclass(frozen=True, slots=True)
class Block:
    """`groups`, each behind its parent, and the place of every parent among them, None for the root."""

    groups: tuple[Group, ...]
    parents: tuple[int | None, ...]

    def above(self, place: int) -> list[int]:
        """Return the places of the groups on whose levels the cost of one depends, the root first."""
        parent = self.parents[place]
        return [] if parent is None else [*self.above(parent), parent]

    def below(self, place: int) -> list[int]:
        """Return the places of the groups whose parent a group is."""
        return [child for child, parent in enumerate(self.parents) if parent == place]

    @property
    def shape(self) -> tuple[object, ...]:
        """What blocks that may cost alike have in common."""
        each = ((group.under, group.kind, group.units, group.unit_size, group.levels) for group in self.groups)
        return (*each, self.parents)


def blocks_of(groups: Sequence[Group]) -> tuple[Block, ...]:
    """Return the groups in blocks, in the order of the blocks' first groups."""
    place = {group.name: index for index, group in enumerate(groups)}
    parents = _parents(groups)
    blocks: dict[str, list[Group]] = {}
    for group in sorted(groups, key=lambda group: (_depth(group.name, parents), place[group.name])):
        blocks.setdefault(_root(group.name, parents), []).append(group)
    ordered = sorted(blocks.values(), key=lambda members: min(place[group.name] for group in members))
    return tuple(_block(members, parents) for members in ordered)


def _parents(groups: Sequence[Group]) -> dict[str, str | None]:
    """Return the name of every group's parent.

    That is the group of another transform that was placed last of those that share a layer, else the layout's group to
    which the layer belongs.
    """
    owners = {owner for group in groups for owner in group.owners}
    roots = [group.name for group in groups if group.consumers or group.name in owners]
    parents: dict[str, str | None] = dict.fromkeys(roots)
    placed: list[Group] = []
    for group in sorted((each for each in groups if each.name not in parents), key=lambda each: -len(each.producers)):
        paths = {*group.producers}
        sharing = [each.name for each in placed if each.under != group.under and paths & {*each.producers}]
        named = [owner for owner in group.owners if owner in roots]
        parents[group.name] = next(iter([*reversed(sharing), *named]), None)
        placed.append(group)
    return parents


def _root(name: str, parents: dict[str, str | None]) -> str:
    parent = parents[name]
    return name if parent is None else _root(parent, parents)


def _depth(name: str, parents: dict[str, str | None]) -> int:
    parent = parents[name]
    return 0 if parent is None else 1 + _depth(parent, parents)


def _block(members: Sequence[Group], parents: dict[str, str | None]) -> Block:
    place = {group.name: index for index, group in enumerate(members)}
    above = (parents[group.name] for group in members)
    return Block(tuple(members), tuple(None if name is None else place[name] for name in above))
