"""What two studies take that are started together on one machine, in times of one alone.

    python -m benchmarks.together --model DIR --task sst2 --data DIR --epsilon 0.01 --trials 20

One alone, two together, one alone again, each with an empty cache and a database of its own. The shortlist's latency
ratios of the studies alone are given beside, so that what the wait policy does to them can be compared:
`OMP_WAIT_POLICY=active` before the command gives the figures without this program's own choice.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.command import Ran, optimize
from benchmarks.workload import add_workload_options, arguments_of

MOST = 2.2  # times one alone


def main() -> None:
    """Run the studies and print one JSON object; exit with 1 where two together take too long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    found = run(arguments_of(parser.parse_args()))
    print(json.dumps(found, indent=1))
    raise SystemExit(found["times_one_alone"] > MOST)


def run(arguments: list[str]) -> dict[str, Any]:
    """Return the seconds of one study, of two together, and their ratio."""
    first, together, last = (_started_together(count, arguments) for count in (1, 2, 1))
    alone_s = mean((first[0], last[0]))
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "wait_policy": os.environ.get("OMP_WAIT_POLICY", "this program's own"),
        "alone_s": [round(first[0], 1), round(last[0], 1)],
        "together_s": round(together[0], 1),
        "times_one_alone": round(together[0] / alone_s, 2),
        "latency_alone": [_latency(each) for each in (*first[1], *last[1])],
        "latency_together": [_latency(each) for each in together[1]],
    }


def _started_together(count: int, arguments: list[str]) -> tuple[float, list[Ran]]:
    started = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        ran = list(pool.map(lambda _: _study(arguments), range(count)))
    return time.monotonic() - started, ran


def _study(arguments: list[str]) -> Ran:
    with TemporaryDirectory() as scratch:
        return optimize(*arguments, "--storage", f"sqlite:///{scratch}/studies.sqlite", "--cache-dir", scratch)


def _latency(study: Ran) -> list[dict[str, float]]:
    """Return the latency of the front's members: the ratio to the dense model of the same rounds."""
    return [
        {"candidate": member["candidate"], "batch": each["batch"], "ratio": each["ratio"]}
        for member in study.output["front"]
        for each in member["latency"]
    ]


if __name__ == "__main__":
    main()
