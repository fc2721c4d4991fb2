"""The unit of the other benchmarks: one evaluation of the dense model on all search examples."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.workload import add_workload_options, spec_of
from optimizer.families.encoders.load import load_workload
from optimizer.predict import predict

REPEATS = 3


def main() -> None:
    """Print the median seconds of an evaluation as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_workload_options(parser)
    with TemporaryDirectory() as cache:
        workload = load_workload(spec_of(parser.parse_args()), cache_dir=Path(cache), progress=lambda *_: None)
        seconds = []
        for _ in range(REPEATS):
            started = time.monotonic()
            predict(workload.model, workload.search, workload.task)
            seconds.append(time.monotonic() - started)
    print(json.dumps({"seconds": median(seconds), "examples": len(workload.search)}))


if __name__ == "__main__":
    main()
