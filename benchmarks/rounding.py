"""Weights in few bits, solved by the moments of what layers read, beside every weight rounded to its nearest code.

    python -m benchmarks.rounding --model DIR --task sst2 --data DIR [--bits 4 8] [--every 1]

One group of layers at a time gets fewer bits, both ways, then all of them together. What counts is the divergence of
the model's answers from the dense model's on search examples, which neither way has seen.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
from torch import nn

from benchmarks.filled import filled_pipeline
from benchmarks.workload import add_workload_options
from optimizer.evaluation.evaluate import DenseAnswers
from optimizer.pipeline import Pipeline
from search_spaces.groups import Group, GroupKind, dense_config
from search_spaces.layouts.stored import store
from search_spaces.layouts.surgery import share_structure
from search_spaces.transforms.bits.layers import paths_of
from search_spaces.transforms.bits.rounding import rounded

HEADER = "| layers | bits | nearest | solved | ratio | seconds |\n|---|--:|--:|--:|--:|--:|"


def main() -> None:
    """Print a row for each group and number of bits, and how often and by how much solving helps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--bits", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--every", type=int, default=1, help="of the groups only every so many")
    options = parser.parse_args()
    with filled_pipeline(options, "bits") as pipeline:
        print(HEADER)
        for bits in options.bits:
            ratios = np.array([*_ratios(pipeline, bits, options.every)])
            mean = np.exp(np.log(ratios).mean())
            print(
                f"\n{bits} bits, {len(ratios)} groups: solved smaller in {np.mean(ratios < 1):.1%}, mean {mean:.3f}\n"
            )


def _ratios(pipeline: Pipeline, bits: int, every: int) -> Iterator[float]:
    groups = [group for group in pipeline.groups if group.kind == GroupKind.BITS]
    ways = [
        DenseAnswers.on(pipeline.workload, pipeline.groups) for _ in range(2)
    ]  # each keeps what its models' first layers give
    for some in (*([group] for group in groups[::every]), groups):
        config = dense_config(pipeline.groups).replaced({group.name: bits for group in some})
        started = time.monotonic()
        solved = pipeline.build(config)
        seconds = time.monotonic() - started
        models = (_nearest(pipeline.dense.model, some, bits), solved)
        before, after = (
            dense.divergence_of(dense.screened(model, config)) for dense, model in zip(ways, models, strict=True)
        )
        name = some[0].name if len(some) == 1 else "all"
        print(f"| {name} | {bits} | {before:.3e} | {after:.3e} | {after / before:.3f} | {seconds:.2f} |", flush=True)
        if len(some) == 1:
            yield after / before


def _nearest(model: nn.Module, groups: Sequence[Group], bits: int) -> nn.Module:
    made = share_structure(model)
    for path in (path for group in groups for path in paths_of(group.name)):
        layer = made.get_submodule(path)
        store(layer, rounded(cast("nn.Linear", layer).weight.detach(), bits))
    return made


if __name__ == "__main__":
    main()
