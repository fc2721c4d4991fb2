"""Splits by what layers write on the calibration examples, beside plain truncated decompositions of the same rank.

    python -m benchmarks.ranks --model DIR --task sst2 --data DIR [--shares 0.125 0.25 0.5] [--every 1]

One layer at a time is given a rank, a share of its full one, both ways. What counts is the divergence of the model's
answers from the dense model's on search examples, which neither way has seen.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.filled import filled_pipeline
from benchmarks.workload import add_workload_options
from optimizer.evaluation.evaluate import DenseAnswers
from optimizer.pipeline import Pipeline
from search_spaces.groups import dense_config
from search_spaces.layouts.modeling_pruned import give_rank
from search_spaces.layouts.surgery import share_structure
from search_spaces.transforms.rank.layers import path_of
from search_spaces.transforms.rank.source import Splits
from search_spaces.transforms.rank.split import plain_split

HEADER = "| layer | rank | plain | by outputs | ratio |\n|---|--:|--:|--:|--:|"


def main() -> None:
    """Print a row for each layer and rank, and how often and by how much either way wins."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.125, 0.25, 0.5], help="of a layer's full rank")
    parser.add_argument("--every", type=int, default=1, help="of the layers only every so many")
    options = parser.parse_args()
    with filled_pipeline(options, "rank") as pipeline:
        print(HEADER)
        ratios = [*_ratios(pipeline, options.shares, options.every)]
    smaller = np.mean(np.array(ratios) < 1)
    print(
        f"\n{len(ratios)} pairs: by outputs smaller in {smaller:.1%}, ratio at most {max(ratios):.3f}, "
        f"geometric mean {np.exp(np.mean(np.log(ratios))):.3f}"
    )


def _ratios(pipeline: Pipeline, shares: Sequence[float], every: int) -> Iterator[float]:
    (step,) = pipeline.steps
    splits, layers = step.source, [group for group in step.groups if group.kind == "rank"]
    assert isinstance(splits, Splits)

    model = pipeline.workload.model
    # each keeps what its models' first layers give
    ways = [DenseAnswers.on(pipeline.workload, step.groups) for _ in range(2)]
    whole = dense_config(step.groups)

    for group in layers[::every]:
        path = path_of(group.name)
        for share in shares:
            rank, plain, low = round(share * group.units), *(share_structure(model) for _ in range(2))
            layer = plain.get_submodule(path)
            outer, inner = plain_split(layer.get_parameter("weight").detach()).at(rank)
            give_rank(layer, inner, outer, layer.bias if layer.bias is None else layer.get_parameter("bias"))
            splits.lower(low.get_submodule(path), path, rank, {})
            config = whole.replaced({group.name: rank})
            before, after = (
                dense.divergence_of(dense.screened(made, config))
                for dense, made in zip(ways, (plain, low), strict=True)
            )
            print(f"| {path} | {rank} | {before:.3e} | {after:.3e} | {after / before:.3f} |", flush=True)
            yield after / before


if __name__ == "__main__":
    main()
