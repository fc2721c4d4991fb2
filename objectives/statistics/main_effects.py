"""Shares of variance by functional ANOVA of a random forest (Hutter, Hoos and Leyton-Brown 2014, algorithm 2).

A tree cuts the box of all inputs into leaves. With every input uniform and independent, the share of an input is the
variance of the tree's mean given that input alone, over the variance of the tree. Figures are those of Optuna's
`FanovaImportanceEvaluator`, which walks a tree once per cut; here all leaves are added up at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TREES, DEEPEST = 64, 64


def main_effects(inputs: NDArray[Any], values: Floats, *, seed: int) -> Floats:
    """Return the share of each input in the variance of `values` `(n,)`: `(d,)`, of sum 1; zeros if no tree varies.

    `inputs` `(n, d)` have two or more levels in every column.
    """
    from sklearn.ensemble import RandomForestRegressor  # takes long to load

    forest = RandomForestRegressor(n_estimators=TREES, max_depth=DEEPEST, random_state=seed).fit(inputs, values)
    box = np.stack([inputs.min(axis=0), inputs.max(axis=0)]).astype(np.float64)
    shares = [_shares(fitted.tree_, box) for fitted in forest.estimators_]
    mean: Floats = np.mean([share for share in shares if share is not None] or [np.zeros(inputs.shape[1])], axis=0)
    return mean / (mean.sum() or 1.0)


def _shares(tree: Any, box: Floats) -> Floats | None:  # Any: scikit-learn is untyped
    """Return the shares of all inputs in the variance of one tree over `box` `(2, d)`; None where it has none."""
    leaves, bounds = tree.feature < 0, _bounds(tree, box)[:, tree.feature < 0]
    values = tree.value[leaves, 0, 0]
    sides = (bounds[1] - bounds[0]) / (box[1] - box[0])  # (leaves, d)
    variance = _variance(values, sides.prod(axis=1))
    if not variance > 0:
        return None
    return np.array([_marginal(values, sides, bounds, column) for column in range(box.shape[1])]) / variance


def _bounds(tree: Any, box: Floats) -> Floats:
    """Return the lower and upper corner of every node's box: `(2, nodes, d)`. Children stand behind their parent."""
    bounds = np.repeat(box[:, None], tree.node_count, axis=1)
    for node in np.flatnonzero(tree.feature >= 0):
        left, right, column = tree.children_left[node], tree.children_right[node], tree.feature[node]
        bounds[:, left] = bounds[:, right] = bounds[:, node]
        bounds[1, left, column] = bounds[0, right, column] = tree.threshold[node]
    return bounds


def _marginal(values: Floats, sides: Floats, bounds: Floats, column: int) -> float:
    """Return the variance of the mean given one input, which is constant between two neighbouring cuts."""
    cuts = np.unique(bounds[:, :, column])
    weighted = values * np.delete(sides, column, axis=1).prod(axis=1)
    begin, end = np.searchsorted(cuts, bounds[:, :, column])
    steps = np.bincount(begin, weighted, len(cuts)) - np.bincount(end, weighted, len(cuts))
    return _variance(np.cumsum(steps)[:-1], np.diff(cuts))


def _variance(values: Floats, weights: Floats) -> float:
    mean = np.average(values, weights=weights)
    return float(np.average((values - mean) ** 2, weights=weights))
