"""The transforms of a workload with what they compute once, for benchmarks of one transform."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.workload import spec_of
from optimizer.families.encoders.load import load_workload
from optimizer.pipeline import Pipeline


@contextmanager
def filled_pipeline(options: argparse.Namespace, *transforms: str, cache_dir: Path | None = None) -> Iterator[Pipeline]:
    """Yield the pipeline of an encoder's workload; what it keeps on disk is removed at the end without `cache_dir`."""
    with TemporaryDirectory() if cache_dir is None else nullcontext(str(cache_dir)) as cache:
        spec = spec_of(options, transforms=transforms)
        workload = load_workload(spec, cache_dir=Path(cache), progress=lambda *_: None)
        pipeline = Pipeline.of(spec, workload, Path(cache))
        pipeline.fill()
        yield pipeline
