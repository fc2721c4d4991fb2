"""What half precision costs a layer bank: rankings and answers where a part of what it keeps is rounded.

    python -m benchmarks.bank_precision --model DIR --task sst2 --data DIR

For every kind of what lies on disk and every type of two bytes: the share of the better half of the units that is the
same, in the worst group and on average, and the divergence of the model with every group at half of its units, with
and without the rounding.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import torch
from torch import Tensor, nn

from benchmarks.workload import add_workload_options, spec_of
from optimizer.families.encoders.load import load_workload
from optimizer.pipeline import Pipeline
from optimizer.predict import predict
from optimizer.spec import StudySpec
from optimizer.workload import Workload
from search_spaces.config import Config, Form
from search_spaces.transforms import parts, states
from search_spaces.transforms.entries import read_entry, write_entry
from search_spaces.transforms.units.bank import UnitBank

TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
Orders = Mapping[str, Tensor]


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    spec = spec_of(parser.parse_args())
    parts.TOGETHER = 0  # layer by layer, as for a model that is large
    with TemporaryDirectory() as scratch:
        workload = load_workload(spec, cache_dir=Path(scratch), progress=lambda *_: None)
        whole = Bank(spec, workload, Path(scratch) / "whole")
        dense = predict(workload.model, workload.search, workload.task)

        def divergence(bank: Bank) -> float:
            return workload.task.divergence(dense, predict(bank.halved(), workload.search, workload.task))

        print(f"divergence in float32: {divergence(whole):.5f} {workload.task.divergence_unit}, n = {len(dense)}\n")
        print("| rounded | type | same units, mean | worst group | divergence |\n|---|---|--:|--:|--:|")
        for name, dtype in TYPES.items():
            for what, prepare in {"states": _states, "moments": _moments, "solved weights": _solved}.items():
                bank = Bank(spec, workload, Path(scratch) / f"{what} {name}")
                prepare(bank, dtype)
                shares = whole.shares(bank)
                figures = f"{sum(shares) / len(shares):.4f} | {min(shares):.4f} | {divergence(bank):.5f}"
                print(f"| {what} | {name} | {figures} |", flush=True)


class Bank:
    """A bank in a folder of its own, and the model with half of every group's units."""

    def __init__(self, spec: StudySpec, workload: Workload, cache: Path) -> None:
        self.pipeline = Pipeline.of(spec, workload, cache)
        self.units = cast("UnitBank", self.pipeline.steps[0].source)
        halves = {group.name: group.nearest_level(group.units // 2) for group in self.pipeline.groups}
        self.config = Config.of(halves, Form.RECONSTRUCTED)

    def halved(self) -> nn.Module:
        """Return the model with half of the units."""
        return self.pipeline.build(self.config)

    def shares(self, other: Bank) -> list[float]:
        """Return the share of the better half of the units that another bank keeps as well, by group."""
        found = []
        for group in self.pipeline.groups:
            level = self.config.as_dict()[group.name]
            both = torch.isin(self.units.kept_units(group, level), other.units.kept_units(group, level))
            found.append(float(both.float().mean()))
        return found


def _states(bank: Bank, dtype: torch.dtype) -> None:
    """Gather moments by hidden states and gradients that were rounded."""
    write = states.States.write

    def rounded(self: states.States, kind: str, layer: int, batch: int, call: int, hidden: Tensor) -> None:
        write(self, kind, layer, batch, call, hidden.to(dtype).to(hidden.dtype))

    states.States.write = rounded  # type: ignore[assignment,method-assign]
    try:
        bank.units.evidence.gather()
    finally:
        states.States.write = write  # type: ignore[method-assign]


def _moments(bank: Bank, dtype: torch.dtype) -> None:
    bank.units.evidence.gather()
    _round(bank.units.folder, "*.moments.safetensors", dtype)


def _solved(bank: Bank, dtype: torch.dtype) -> None:
    bank.pipeline.fill_for(bank.config)
    _round(bank.units.folder, "*.level-*.safetensors", dtype)


def _round(folder: Path, pattern: str, dtype: torch.dtype) -> None:
    for path in folder.glob(pattern):
        entry = read_entry(path) or {}
        write_entry(path, {name: each.to(dtype).to(each.dtype) for name, each in entry.items()})


if __name__ == "__main__":
    main()
