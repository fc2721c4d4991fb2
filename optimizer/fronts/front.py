"""The front: dominance, hypervolume and knee.

All functions take losses as arrays: rows are candidates, columns are axes, lower is better on each. Dominance and
hypervolume are exact and computed by moocore.
"""

from __future__ import annotations

from typing import Any

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
_DIGITS = 12  # sums closer than this are equal up to rounding


def non_dominated(losses: ArrayLike) -> NDArray[np.bool_]:
    """Mark the rows that no other row dominates.

    Args:
        losses: `(n, m)`, lower is better, m >= 1, no NaN; infinities are allowed.

    Returns:
        `(n,)` mask. Of equal rows, all are marked. No rows give an empty mask.

    Reference: Kung, Luccio & Preparata 1975, https://doi.org/10.1145/321906.321910.
    """
    return np.asarray(moocore.is_nondominated(_checked(losses), keep_weakly=True), dtype=np.bool_)


def hypervolume(losses: ArrayLike, reference: ArrayLike) -> float:
    """Return the volume that the rows dominate up to `reference`; larger is better.

    Args:
        losses: `(n, m)`, finite. A row that is not strictly better than the reference on every axis contributes
            nothing.
        reference: `(m,)`.

    Returns:
        The volume, 0.0 where no row contributes.
    """
    rows, corner = _checked(losses), np.asarray(reference, dtype=np.float64)
    if corner.shape != rows.shape[1:]:
        raise ValueError(f"the reference must be `({rows.shape[1]},)`, one value per axis, got {corner.shape}")
    inside = rows[(rows < corner).all(axis=1)]
    return float(moocore.hypervolume(inside, ref=corner)) if len(inside) else 0.0


def knee(losses: ArrayLike) -> int:
    """Return the index of the knee: the member furthest from the plane through the front's extremes.

    Axes are scaled so that the best value is 0 and the worst 1; the plane is then the one through the unit points, and
    the member with the smallest sum of scaled losses is furthest on its good side. Ties go to the member nearest the
    ideal point, then to the first. An axis on which all members are equal is ignored; the knee of a single member is
    that member.

    Args:
        losses: `(n, m)` of a front, finite, n >= 1.

    Reference: Das 1999, On characterizing the "knee" of the Pareto curve, https://doi.org/10.1007/BF01195985; the plane
    is taken through the scaled axes instead of through the minimisers, which with three or more axes need not span one.
    """
    rows = _checked(losses)
    if not len(rows) or not np.isfinite(rows).all():
        raise ValueError(f"a knee needs at least one member and finite losses, got {len(rows)} members")
    scaled = _scaled(rows)
    from_plane = scaled.sum(axis=1).round(_DIGITS)
    from_ideal = np.linalg.norm(scaled, axis=1).round(_DIGITS)
    return int(np.lexsort((from_ideal, from_plane))[0])


def _scaled(rows: FloatArray) -> FloatArray:
    """Return the rows with each axis scaled to [0, 1], and 0 on an axis without extent."""
    ideal, extent = rows.min(axis=0), np.ptp(rows, axis=0)
    return np.asarray(np.divide(rows - ideal, extent, out=np.zeros_like(rows), where=extent > 0))


def _checked(losses: ArrayLike) -> FloatArray:
    rows: NDArray[Any] = np.asarray(losses, dtype=np.float64)
    if rows.ndim != 2 or not rows.shape[1]:
        raise ValueError(f"losses must be `(n, m)` with m >= 1, got shape {rows.shape}")
    if np.isnan(rows).any():
        raise ValueError("losses must not contain NaN; leave failed candidates out")
    return rows
