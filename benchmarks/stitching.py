"""What a candidate costs in ONNX Runtime before it answers, beside evaluating it on the search examples.

    python -m benchmarks.stitching --model DIR --task sst2 --data DIR --search-examples 872

Every config keeps one share of all units and stores all weights in as many bits. The graph of its model is stitched and
put into a session, and every candidate is checked against torch on one request; then it answers the search examples.
Seconds are CPU time of the process on the threads that torch has, the least of several repeats.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from benchmarks.workload import add_workload_options, spec_of
from objectives.figures import scaled
from optimizer.backends.onnxruntime.backend import OnnxRuntime
from optimizer.families.encoders.load import load_workload
from optimizer.pipeline import Pipeline
from optimizer.predict import predict
from search_spaces.config import Config
from search_spaces.groups import Group, dense_config
from search_spaces.transforms.table import UNITS

BITS = "bits"
Answer = TypeVar("Answer")


def main() -> None:
    """Print a row for every config."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--shares", type=float, nargs="+", default=[1.0, 0.5, 0.25], help="of units that are kept")
    parser.add_argument("--bits", type=int, nargs="+", default=[32, 8, 4])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    spec = spec_of(options, transforms=[UNITS, BITS])
    table = Table(
        "units", "bits", "stitched", "checked", "evaluated", "stitched / evaluated", "with the check", "bytes"
    )
    with TemporaryDirectory() as scratch:
        cache = Path(scratch)
        workload = load_workload(spec, cache_dir=cache, progress=lambda *_: None)
        pipeline = Pipeline.of(spec, workload, cache)
        inputs = workload.family.onnx_inputs()
        backend = OnnxRuntime(workload.model, inputs, cache)
        _, export_s = least(lambda: backend.runs(workload.model), 1)
        for share in options.shares:
            for bits in options.bits:
                config = uniform(pipeline, share, bits)
                pipeline.fill_for(config)
                model = pipeline.build(config)
                graph, both_s = least(partial(backend.graph, model), options.repeats)
                _, checked_s = least(partial(graph.difference, model, inputs.requests[-1:]), options.repeats)
                _, evaluated_s = least(partial(predict, graph.session, workload.search, workload.task), 1)
                graph.save(cache / "model.onnx")
                seconds = [f"{each:.3f} s" for each in (both_s - checked_s, checked_s, evaluated_s)]
                ratios = [f"{each / evaluated_s:.3f}" for each in (both_s - checked_s, both_s)]
                table.add_row(f"{share:g}", str(bits), *seconds, *ratios, scaled((cache / "model.onnx").stat().st_size))
                Console(stderr=True).print(share, bits, *seconds, *ratios)
    Console().print(
        table, f"The dense model's export took {export_s:.1f} s, once; {backend.exported} more were needed."
    )


def uniform(pipeline: Pipeline, share: float, bits: int) -> Config:
    """Return the config that keeps nearly a share of every group's units and stores all weights in so many bits."""
    unit_groups = {group.name for step in pipeline.steps if step.name == UNITS for group in step.groups}

    def level(group: Group) -> int:
        wanted = share * group.levels[-1] if group.name in unit_groups else bits
        return min(group.levels, key=lambda each: abs(each - wanted))

    return dense_config(pipeline.groups).replaced({group.name: level(group) for group in pipeline.groups})


def least(work: Callable[[], Answer], repeats: int) -> tuple[Answer, float]:
    """Return what some work gives, and the least CPU seconds that it took."""
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        answer = work()
        taken.append(time.process_time() - began)
    return answer, min(taken)


if __name__ == "__main__":
    main()
