"""A picture: the candidates of a study as points of one SVG, for browsers that run no scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.views.member import FrontResult, Member

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480, 300, 60, 16, 16, 45


@dataclass(frozen=True, slots=True)
class Point:
    """A candidate in the picture; `tone` is its verdict or, off the front, where it stands to ε."""

    candidate: int
    x: float
    y: float
    tone: str
    is_member: bool


@dataclass(frozen=True, slots=True)
class Label:
    """A text in the picture."""

    x: float
    y: float
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Picture:
    """What the template draws. `epsilon` is the path of its line, empty without an ε."""

    axes: str
    epsilon: str
    points: Sequence[Point]
    labels: Sequence[Label]
    width: int = WIDTH
    height: int = HEIGHT


def picture_of(members: Sequence[Member], front: FrontResult) -> Picture:
    """Return all members by FLOPs ratio and drop on the search examples, at the front's ε.

    Drops above three times ε stand at the upper edge, so that hopeless candidates do not press the front flat. Without
    an ε those above the front's do.
    """
    epsilon = front.epsilon
    on_front = {member.candidate: member for member in front.items}
    drops = [member.drop or 0.0 for member in members]
    top = max([3 * (epsilon or 0.0), 1e-6, *(member.drop or 0.0 for member in front.items)])
    low = min([0.0, *drops])

    def across(ratio: float) -> float:
        return round(LEFT + ratio * (WIDTH - LEFT - RIGHT), 1)

    def upwards(drop: float) -> float:
        return round(HEIGHT - BOTTOM - (min(drop, top) - low) / (top - low) * (HEIGHT - TOP - BOTTOM), 1)

    points = [
        Point(
            m.candidate,
            across(m.flops_ratio),
            upwards(drop),
            _tone(m, on_front, math.inf if epsilon is None else epsilon),
            m.candidate in on_front,
        )
        for m, drop in zip(members, drops, strict=True)
    ]
    labels = [
        Label(LEFT - 8, upwards(top) + 4, f"{top:.3g}", "end"),
        *([] if epsilon is None else [Label(LEFT - 8, upwards(epsilon) + 4, f"ε {epsilon:.3g}", "end")]),
        Label(LEFT - 8, upwards(0) + 4, "0", "end"),
        Label(across(1), HEIGHT - BOTTOM + 18, "dense", "end"),
        Label(LEFT, HEIGHT - BOTTOM + 18, "0", "middle"),
        Label((LEFT + WIDTH) / 2, HEIGHT - 8, "FLOPs ratio (x), drop on the search examples (y)", "middle"),
    ]
    return Picture(
        axes=f"M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}",
        epsilon="" if epsilon is None else f"M{LEFT} {upwards(epsilon)}H{WIDTH - RIGHT}",
        points=sorted(points, key=lambda point: point.is_member),
        labels=labels,
    )


def _tone(member: Member, on_front: dict[int, Member], epsilon: float) -> str:
    if member.candidate in on_front:
        return on_front[member.candidate].verdict
    return "within" if (member.drop or 0.0) <= epsilon else "above"
