"""Networks of some units in 8 bits in ONNX Runtime, beside torch and ONNX Runtime in float32: time and answers.

    python -m benchmarks.deployed --model DIR --task sst2 --data DIR [--shares 1 0.25] [--batches 1 32]

Every network keeps one share of all units. Ratios are of the median of thread CPU time on one thread, all in turn in
every round, requests of 24 tokens, to the dense model in either runtime. `changed` is the share of verification answers
that differ between padded batches of 32 in the order of the file and texts asked alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn

from benchmarks.filled import filled_pipeline
from benchmarks.kernels import timed
from benchmarks.stitching import BITS, uniform
from benchmarks.workload import add_workload_options
from optimizer.backends.onnxruntime.backend import OnnxRuntime
from optimizer.pipeline import Pipeline
from optimizer.predict import predict
from search_spaces.transforms.table import UNITS

TOKENS, FULL, EIGHT = 24, 32, 8


def main() -> None:
    """Print a Markdown table, a row for every network and way to run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--shares", type=float, nargs="+", default=[1.0, 0.25], help="of units that are kept")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with filled_pipeline(options, UNITS, BITS) as pipeline, TemporaryDirectory() as cache:
        runs = _runs(pipeline, options.shares, Path(cache))
        seconds = {batch: timed(_asked(runs, batch), options.rounds, max(1, 8 // batch)) for batch in options.batches}
        titles = " | ".join(f"batch {batch}: ms | of torch | of ONNX Runtime" for batch in options.batches)
        print(f"| units | bits | runs in | {titles} | accuracy | changed |")
        print(f"|--:|--:|---|{'--:|' * (3 * len(options.batches) + 2)}")
        for name, model in runs.items():
            columns = [
                f"{1e3 * each[name]:.2f} | {each[name] / each[_name(1.0, FULL, 'torch')]:.3f} | "
                f"{each[name] / each[_name(1.0, FULL, 'ONNX Runtime')]:.3f}"
                for each in seconds.values()
            ]
            print(f"| {name} | {' | '.join(columns)} | {_answers(pipeline, model)} |", flush=True)


def _runs(pipeline: Pipeline, shares: list[float], cache: Path) -> dict[str, nn.Module]:
    """Return the networks as they run, by share, bits and runtime."""
    workload, found = pipeline.workload, dict[str, nn.Module]()
    backend = OnnxRuntime(workload.model, workload.family.onnx_inputs(), cache)
    for share in dict.fromkeys([1.0, *shares]):
        for bits in (FULL, EIGHT):
            config = uniform(pipeline, share, bits)
            pipeline.fill_for(config)
            model = pipeline.build(config).eval()
            if bits == FULL:
                found[_name(share, bits, "torch")] = model
            found[_name(share, bits, "ONNX Runtime")] = backend.runs(model)
    return found


def _name(share: float, bits: int, runtime: str) -> str:
    return f"{share:g} | {bits} | {runtime}"


def _asked(runs: dict[str, nn.Module], batch: int) -> dict[str, Callable[[], object]]:
    ids = torch.randint(1000, 20_000, (batch, TOKENS), generator=torch.Generator().manual_seed(0))
    request = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    return {name: torch.inference_mode()(partial(model, **request)) for name, model in runs.items()}


def _answers(pipeline: Pipeline, model: nn.Module) -> str:
    """Return the metric on the verification examples, and the share of answers that neighbours change."""
    task, examples = pipeline.workload.task, pipeline.workload.verification
    order = np.arange(len(examples))
    alone, batched = (
        task.predictions(predict(model, examples, task, batch_size=size, order=order), examples) for size in (1, 32)
    )
    score = pipeline.workload.metric.value(batched, examples.labels)
    return f"{score:.4f} | {np.mean(alone != batched):.2%}"


if __name__ == "__main__":
    main()
