"""What one network pruned by a list leaves behind: exact counts, and where it was timed its costs by batch size."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Self

from pydantic import BaseModel, ConfigDict

from optimizer.analysis.costs import Costs
from optimizer.measuring.ratios import Ratio
from optimizer.reproduce.ledger import Recorded, RunKey
from optimizer.reproduce.listed.preset import UNPRUNED


class ListedKey(RunKey):
    """All that a run depends on."""

    pruning_seed: int
    batch_sizes: tuple[int, ...]
    timed: tuple[str, ...]
    seconds: float

    @property
    def is_timed(self) -> bool:
        """Whether its configuration is among those that are timed; the unpruned network is part of every pair."""
        label = self.configuration
        return label != UNPRUNED and any(fnmatchcase(label, pattern) for pattern in self.timed)


class BatchRecord(BaseModel):
    """Seconds of one pass over `batch` images and joules of one image, of this network and of the unpruned one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: int
    seconds: float
    unpruned_seconds: float
    time: Ratio
    energy_j: float
    unpruned_energy_j: float
    energy: Ratio
    energy_source: str
    rounds: int

    @classmethod
    def of(cls, batch: int, costs: Mapping[str, Costs], *, dense: str, pruned: str) -> Self:
        """Return the record of a pair that was measured together."""
        (latency, energy, _), (unpruned_latency, unpruned_energy, _) = costs[pruned], costs[dense]
        return cls(
            batch=batch,
            seconds=latency.absolute.value,
            unpruned_seconds=unpruned_latency.absolute.value,
            time=Ratio.of(latency.ratio),
            energy_j=energy.absolute.value,
            unpruned_energy_j=unpruned_energy.absolute.value,
            energy=Ratio.of(energy.ratio),
            energy_source=energy.absolute.source,
            rounds=latency.absolute.n,
        )


class ListedRecord(Recorded):
    """A network: multiply-accumulates of an image, parameters with maps of biases, and costs where it was timed."""

    key: ListedKey
    macs: int
    parameters: int
    batches: tuple[BatchRecord, ...]
    device: str | None

    @property
    def said(self) -> str:
        """Its counts, and how its time compares."""
        times = ", ".join(f"{each.time.value:.2f} of the time at batch {each.batch}" for each in self.batches)
        return f"{self.macs:,} MACs, {self.parameters:,} parameters{times and f'; {times}'}"
