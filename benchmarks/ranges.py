"""How far the ranges of activations in 8 bits reach: what each rule changes of a network's answers.

    python -m benchmarks.ranges --model resnet18 --task fashion_mnist --data DIR --cache-dir DIR

Every network keeps one share of all units and has 8 bits in all layers. It runs in ONNX Runtime with the scales that
each rule takes from the calibration images; studies take those of least error. Printed is the divergence (KL) of its
answers to search images from those of the same network with float activations, and the share of them that changes.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from benchmarks.stitching import BITS, least, uniform
from benchmarks.workload import add_workload_options, spec_of
from optimizer.backends.onnxruntime import ranges
from optimizer.backends.onnxruntime.backend import OnnxRuntime
from optimizer.backends.onnxruntime.ranges import Range, least_error
from optimizer.families.encoders.load import load_workload
from optimizer.pipeline import Pipeline
from optimizer.predict import predict
from search_spaces.transforms.table import UNITS

CUT = 1e-4  # share of the values on either side that lies beyond the range of percentiles


def extremes(values: Tensor) -> Range:
    """Return the range of all values."""
    lowest, most = (float(end) for end in values.aminmax())
    return Range(min(lowest, 0.0), max(most, 0.0))


def percentiles(values: Tensor) -> Range:
    """Return the range without the rarest values on either side."""
    low, high = values.quantile(torch.tensor([CUT, 1 - CUT])).tolist()
    return Range(min(low, 0.0), max(high, 0.0))


RULES = (extremes, percentiles, least_error)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--cache-dir", type=Path, required=True, help="keeps the trained network and its bank")
    parser.add_argument("--shares", type=float, nargs="+", default=[1.0, 0.25], help="of units that are kept")
    parser.add_argument("--images", type=int, default=1000, help="search images that are asked")
    options = parser.parse_args()
    spec = spec_of(options, transforms=[UNITS, BITS])
    workload = load_workload(spec, cache_dir=options.cache_dir, progress=lambda *_: None)
    pipeline = Pipeline.of(spec, workload, options.cache_dir)
    some = workload.search.subset(range(options.images))
    backend = OnnxRuntime(workload.model, workload.family.onnx_inputs(), options.cache_dir)
    print("| units | rule | divergence | answers changed | CPU seconds of a graph |\n|--:|---|--:|--:|--:|")
    for share in options.shares:
        config = uniform(pipeline, share, 8)
        pipeline.fill_for(config)
        model = pipeline.build(config).eval()
        floats = predict(model, some, workload.task)
        backend.graph(model)  # what follows widths is found out once
        for rule in RULES:
            with patch.object(ranges, "least_error", rule):
                session, seconds = least(partial(backend.runs, model), 1)
            answers = predict(session, some, workload.task)
            changed = np.mean(answers.argmax(-1) != floats.argmax(-1))
            found = f"{workload.task.divergence(floats, answers):.6f} | {changed:.2%}"
            print(f"| {share:g} | {rule.__name__} | {found} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
