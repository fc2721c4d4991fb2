"""What a pass computes and moves, as energy sees it: arithmetic by precision, bytes by how far they come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FLOAT32 = "float32"


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of a pass.

    `outside` are read from what was there before it, weights above all: they come from wherever the `footprint`, all
    that a pass touches once, still fits. `inside` are written and read again within the pass, by the bytes that their
    operator touches, as a power of two: what is small is still near.
    """

    outside: float
    footprint: float
    inside: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def once(cls, moved: float) -> Traffic:
        """Return the traffic of a pass of which no more is known than the bytes that it moves."""
        return cls(outside=moved, footprint=moved)

    @property
    def total(self) -> float:
        """All bytes that operators read and write."""
        return self.outside + sum(self.inside.values())

    def times(self, passes: float) -> Traffic:
        """Return the traffic of so many passes, each of which touches the same."""
        inside = {size: passes * moved for size, moved in self.inside.items()}
        return Traffic(passes * self.outside, self.footprint, inside)


@dataclass(frozen=True, slots=True)
class Computed:
    """Operations by precision, where a multiply-add is two, and the traffic, of one pass or several."""

    flops: Mapping[str, float]
    traffic: Traffic

    @classmethod
    def of(cls, flops: float, traffic: Traffic, precision: str = FLOAT32) -> Computed:
        """Return what computes all in one precision."""
        return cls({precision: flops}, traffic)

    def times(self, passes: float) -> Computed:
        """Return what so many passes compute."""
        return Computed({kind: passes * flops for kind, flops in self.flops.items()}, self.traffic.times(passes))


NOTHING = Computed({}, Traffic.once(0.0))
