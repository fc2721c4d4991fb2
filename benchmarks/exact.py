"""Is an exact allocation of a network of convolutions better than the one by single groups?

    python -m benchmarks.exact --model resnet18 --task fashion_mnist --data DIR --cache-dir DIR [--budgets 0.5 0.3]

FLOPs of a convolution are a product of what two groups keep, so they do not add up over groups. Studies order choices
by what each group saves alone, and price the whole config; here the least predicted harm within a budget is found by
mixed-integer programming, a variable for each level of a group and for each pair of levels of two that share a layer.
Printed are predicted harms, and the divergences (KL) that the built networks have on the screening examples.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix

from benchmarks.workload import add_workload_options, spec_of
from optimizer.families.encoders.load import load_workload
from optimizer.preparation.prepare import prepare
from optimizer.progress import Stages, ignore
from optimizer.search.space import Space
from search_spaces.allocation import FloatArray
from search_spaces.config import Config
from search_spaces.groups import config_of, dense_config
from search_spaces.transforms.table import UNITS

GAP, LIMIT_S = 1e-3, 60  # within which the optimum is known, and the time that it may take
SHARED = 1e-9  # of the dense cost: two groups whose savings differ by less from their sum share no layer


def main() -> None:
    """Print a Markdown table, a row for every budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--cache-dir", type=Path, required=True, help="keeps the trained network and its bank")
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.6, 0.5, 0.4, 0.3, 0.2], help="shares of FLOPs")
    options = parser.parse_args()
    spec = spec_of(options, transforms=[UNITS])
    workload = load_workload(spec, cache_dir=options.cache_dir, progress=lambda *_: None)
    prepared = prepare(spec, workload, cache_dir=options.cache_dir, stages=Stages(ignore, lambda _seconds: None))
    space, divergence = prepared.space, prepared.evaluator.divergence_of
    if not isinstance(space, Space):
        raise SystemExit("give a model whose units are searched")
    print("| FLOPs | today: predicted harm | divergence | exact: predicted harm | divergence | CPU seconds |")
    print("|--:|--:|--:|--:|--:|--:|")
    for budget in options.budgets:
        began = time.process_time()
        exact = allocated(space, budget)
        seconds = time.process_time() - began
        pair = (space.optimal(budget), space.merged(exact))
        columns = " | ".join(f"{harm_of(space, config):.5f} | {divergence(config):.5f}" for config in pair)
        print(f"| {budget:g} | {columns} | {seconds:.1f} |", flush=True)


def harm_of(space: Space, config: Config) -> float:
    """Return the predicted harm of a config, the sum over its groups."""
    levels = config.levels
    return sum(float(space.harms[g.name][g.levels.index(levels[g.name])]) for g in space.groups)


def allocated(space: Space, budget: float) -> Config:
    """Return the config of least predicted harm within a share of the FLOPs. Raises `ValueError` without one."""
    groups, cost = space.groups, space.costs["flops"]
    dense = dense_config(groups)

    def changed(**levels: int) -> float:
        return cost.ratio(dense.replaced(levels)) - 1

    alone = [np.array([changed(**{group.name: level}) for level in group.levels]) for group in groups]
    first = np.cumsum([0, *map(len, alone)])
    prices, rows = [*alone], [_row([*range(first[i], first[i + 1])], []) for i in range(len(groups))]
    size = int(first[-1])
    for one, two in combinations(range(len(groups)), 2):
        pairs = [(a, b) for a in groups[one].levels for b in groups[two].levels]
        names = groups[one].name, groups[two].name
        shared = np.array([changed(**dict(zip(names, pair, strict=True))) for pair in pairs[:1]])
        if abs(shared[0] - alone[one][0] - alone[two][0]) < SHARED:
            continue
        both = np.array([changed(**dict(zip(names, pair, strict=True))) for pair in pairs])
        prices.append(both - np.add.outer(alone[one], alone[two]).ravel())
        places = size + np.arange(len(pairs)).reshape(len(alone[one]), len(alone[two]))
        rows += [_row(places[a].tolist(), [int(first[one]) + a]) for a in range(len(places))]
        rows += [_row(places[:, b].tolist(), [int(first[two]) + b]) for b in range(places.shape[1])]
        size += len(pairs)
    return _solved(space, budget, first, np.concatenate(prices), rows)


def _row(ones: Sequence[int], minus: Sequence[int]) -> dict[int, float]:
    """Return what the variables of an equation are multiplied by; it has 1 on its right where it is a choice."""
    return dict.fromkeys(ones, 1.0) | dict.fromkeys(minus, -1.0)


def _solved(
    space: Space, budget: float, first: FloatArray, prices: FloatArray, rows: Sequence[dict[int, float]]
) -> Config:
    places = [(row, place, value) for row, held in enumerate(rows) for place, value in held.items()]
    row, column, value = map(np.array, zip(*places, strict=True))
    equations = csr_matrix((value, (row, column)), shape=(len(rows), len(prices)))
    right = np.array([1.0 if min(held.values()) > 0 else 0.0 for held in rows])
    harms = np.zeros(len(prices))
    harms[: first[-1]] = np.concatenate([space.harms[group.name] for group in space.groups])
    found = milp(
        harms / harms.max(),
        constraints=[LinearConstraint(equations, right, right), LinearConstraint(prices[None], -np.inf, budget - 1)],
        integrality=np.arange(len(prices)) < first[-1],
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": GAP, "time_limit": LIMIT_S},
    )
    if found.x is None:
        raise ValueError(f"budget: {found.message}")
    chosen = {
        g.name: g.levels[int(found.x[a:b].argmax())] for g, a, b in zip(space.groups, first, first[1:], strict=False)
    }
    return config_of(space.groups, chosen, space.form)


if __name__ == "__main__":
    main()
