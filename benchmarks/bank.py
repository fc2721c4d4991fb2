"""The peak memory of a layer bank, stage by stage, in a process of its own; on Linux.

    python -m benchmarks.bank --model DIR --task sst2 --data DIR --calibration-examples 128 --search-examples 64

One line of JSON: for each stage its seconds and the most memory that was resident in it, pages of mapped weights
included. `--ranked` bounds the groups that are ranked: each takes as much memory as the next of its kind. The readers
of the first and the last ranked layer are solved at half of their units.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from benchmarks.workload import add_workload_options, spec_of
from optimizer.families.encoders.load import load_workload
from optimizer.pipeline import Pipeline
from search_spaces.groups import dense_config
from search_spaces.resident import release
from search_spaces.transforms.units.bank import UnitBank

STATUS, PEAK_FROM_NOW = Path("/proc/self/status"), "5"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--ranked", type=int, help="groups to rank; default: all")
    options = parser.parse_args()
    with TemporaryDirectory() as cache:
        print(json.dumps(figures(options, Path(cache))))


def figures(options: argparse.Namespace, cache: Path) -> dict[str, Any]:
    """Return what a bank takes from an empty cache on."""
    spec, stages = spec_of(options), dict[str, dict[str, float]]()
    begin = _resident("VmRSS")
    with _stage("load", stages):
        workload = load_workload(spec, cache_dir=cache, progress=lambda *_: None)
    pipeline = Pipeline.of(spec, workload, cache)
    bank, groups = cast("UnitBank", pipeline.steps[0].source), pipeline.groups
    with _stage("moments", stages):
        bank.evidence.gather()
    with _stage("ranking", stages):
        release(workload.model)
        for group in (ranked := groups[: options.ranked]):
            bank.order(group)
    outer = [group for group in ranked if group.layer in (ranked[0].layer, ranked[-1].layer)]
    halves = {group.name: group.nearest_level(group.units // 2) for group in outer}
    with _stage("solving", stages):
        bank.fill_for(dense_config(groups).replaced(halves))
    weights = sum(each.nbytes for each in workload.model.parameters())
    peak = max(each["peak_bytes"] for name, each in stages.items() if name != "load")
    tokens, width = int(workload.subject.calibration.lengths.sum()), int(workload.model.config.hidden_size)
    return {
        "weights_bytes": weights,
        "interpreter_bytes": begin,
        "calibration_tokens": tokens,
        "states_bytes": tokens * width * 4,
        "bank_peak_bytes": peak,
        "ratio": peak / weights,
        "ratio_without_interpreter": (peak - begin) / weights,
        "stages": stages,
    }


@contextmanager
def _stage(name: str, stages: dict[str, dict[str, float]]) -> Iterator[None]:
    Path("/proc/self/clear_refs").write_text(PEAK_FROM_NOW, encoding="utf-8")
    started, cpu = time.monotonic(), time.process_time()
    yield
    seconds = {"seconds": time.monotonic() - started, "cpu_s": time.process_time() - cpu}
    stages[name] = {**seconds, "peak_bytes": _resident("VmHWM")}


def _resident(name: str) -> int:
    lines = STATUS.read_text(encoding="utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


if __name__ == "__main__":
    main()
