"""The elite of NSGA-II: who of a population becomes a parent, in the order that Optuna gives them.

Optuna selects them among trials of a study of its own, which takes longer to build than to search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimizer.samplers.protocol import Told
from optimizer.samplers.ranks import ranks_of


class Elite(NamedTuple):
    """The parents, and all who share a rank with one: as long as these stay, who else leaves does not matter."""

    parents: list[Told]
    ranked: list[Told]


def elite(population: Sequence[Told], size: int) -> Elite:
    """Return the `size` best: feasible first, then by rank, the last rank by crowding (Deb et al. 2002)."""
    losses, ranks = ranks_of(population)
    chosen: list[int] = []
    for rank in range(int(ranks.max()) + 1):
        members = np.flatnonzero(ranks == rank)
        if len(chosen) + len(members) >= size:
            crowded = members[_by_crowding(losses[members])]
            chosen.extend(crowded[: size - len(chosen)].tolist())
            break
        chosen.extend(members.tolist())
    ranked = np.flatnonzero(ranks <= rank).tolist()
    return Elite([population[index] for index in chosen], [population[index] for index in ranked])


def _by_crowding(losses: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the rows `(n, m)` by their distance to the neighbours on each axis, the loneliest first: `(n,)`."""
    order = np.arange(len(losses))
    distance = np.zeros(len(losses))
    for axis in losses.T:
        order = order[np.argsort(axis[order], kind="stable")]
        values = axis[order]
        if values[0] == values[-1]:
            continue
        bounded = np.concatenate([[-np.inf], values, [np.inf]])
        distance[order] += (bounded[2:] - bounded[:-2]) / (values[-1] - values[0])
    return order[np.argsort(distance[order], kind="stable")][::-1]
