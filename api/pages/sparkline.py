"""Spark lines: how a search went, as one small path of steps."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 120.0, 28.0, 2.0


def best_so_far(values: Sequence[float | None]) -> list[float]:
    """Return the least value up to each position, 1 (the dense model) before there is any."""
    best, so_far = 1.0, []
    for value in values:
        best = best if value is None else min(best, value)
        so_far.append(best)
    return so_far


def step_path(values: Sequence[float]) -> str:
    """Return an SVG path of steps over `values`, from 0 at the bottom to 1 at the top; empty for no values."""
    if not values:
        return ""
    width = (WIDTH - 2 * MARGIN) / len(values)
    parts = [f"M{MARGIN:g} {_height(values[0]):.1f}"]
    changes = [i for i in range(1, len(values)) if values[i] != values[i - 1]]
    parts += [f"H{MARGIN + i * width:.1f}V{_height(values[i]):.1f}" for i in changes]
    return "".join([*parts, f"H{WIDTH - MARGIN:.1f}"])


def _height(value: float) -> float:
    return MARGIN + (1 - value) * (HEIGHT - 2 * MARGIN)
