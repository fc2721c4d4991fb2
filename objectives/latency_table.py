"""A latency table: what blocks of each kind take at a few unit counts, summed into a proposal for a whole config.

Blocks are timed alone, in one interleaved session together with the dense model. The part of the dense
model's time that the blocks do not explain is the base: embeddings, norms, the head. The table proposes; it never
concludes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from objectives.clocks import SYSTEM, Clocks
from objectives.latency import interleaved_latency
from objectives.measurement import JsonScalar, Measurement, Source
from objectives.rounds import Run

Block = tuple[str, int]
"""Kind of a block ("heads", "neurons") and its unit count."""

MIN_ROUNDS = 3  # a proposal needs less than a conclusion


class LatencyTable(BaseModel):
    """Seconds of blocks by kind and unit count. JSON goes in and out by `model_dump` and `model_validate`.

    `blocks`: kind → (units, seconds) pairs, units increasing. A removed block (0 units) takes nothing unless measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    base_s: float = Field(ge=0)
    blocks: Mapping[str, tuple[tuple[int, float], ...]]
    conditions: Mapping[str, JsonScalar] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _units_increase(self) -> Self:
        for kind, points in self.blocks.items():
            units = [count for count, _ in points]
            if not units or units != sorted(set(units)):
                raise ValueError(f"blocks: units of kind {kind!r} must increase, got {units}")
        return self

    def block_seconds(self, block: Block) -> float:
        """Return the seconds of one block: linear between measured counts, flat below the smallest.

        Raises:
            ValueError: a kind that was not measured, or more units than were measured.
        """
        kind, units = block
        if kind not in self.blocks:
            raise ValueError(f"latency table: no blocks of kind {kind!r}; known are {sorted(self.blocks)}")
        counts, seconds = zip(*self.blocks[kind], strict=True)
        if not 0 <= units <= counts[-1]:
            raise ValueError(f"latency table: {kind} were measured up to {counts[-1]} units, not {units}")
        if units == 0 and counts[0] > 0:
            return 0.0
        return float(np.interp(units, counts, seconds))

    def predict(self, blocks: Iterable[Block]) -> float:
        """Return the seconds of a model with these blocks, one (kind, units kept) per group."""
        return self.base_s + sum(self.block_seconds(block) for block in blocks)

    def measurement(self, blocks: Iterable[Block]) -> Measurement:
        """Return `predict` as a measurement whose source says that it comes from a table."""
        return Measurement(
            quantity="latency",
            value=self.predict(blocks),
            unit="s",
            source=Source.TABLE,
            conditions=dict(self.conditions),
        )


def build_latency_table(
    make_block: Callable[[str, int], Run],
    levels: Mapping[str, Sequence[int]],
    *,
    run_dense: Run,
    dense: Sequence[Block],
    threads: int,
    rng: np.random.Generator,
    seconds: float = 5.0,
    conditions: Mapping[str, JsonScalar] | None = None,
    clocks: Clocks = SYSTEM,
) -> LatencyTable:
    """Time isolated blocks and the dense model in one session of about `seconds`.

    Args:
        make_block: (kind, units) → a run of one such block alone, which has finished its work when it returns.
        levels: kind → unit counts to measure; must hold the counts in `dense`.
        run_dense: one forward pass of the dense model at the same request.
        dense: the blocks of the dense model, one per group.
        threads: CPU threads on which the runs compute.
        rng: draws the order of every round.
        seconds: time budget; at least three rounds are taken.
        conditions: batch, length, threads, device, … of the runs.
        clocks: where passes are timed.

    Returns:
        A table that predicts exactly the measured median for the dense model.
    """
    missing = [block for block in dense if block[1] not in levels.get(block[0], ())]
    if missing:
        raise ValueError(f"levels: the dense model's blocks must be measured too, missing are {sorted(set(missing))}")
    blocks = [(kind, units) for kind, counts in levels.items() for units in sorted(set(counts))]
    runs: dict[Block | None, Run] = {block: make_block(*block) for block in blocks}
    runs[None] = run_dense
    samples = interleaved_latency(runs, threads=threads, rng=rng, seconds=seconds, min_rounds=MIN_ROUNDS, clocks=clocks)
    medians = {key: float(np.median(values)) for key, values in samples.items()}
    return _calibrated({block: medians[block] for block in blocks}, medians[None], dense, conditions or {})


def _calibrated(
    medians: Mapping[Block, float], dense_s: float, dense: Sequence[Block], conditions: Mapping[str, JsonScalar]
) -> LatencyTable:
    explained = sum(medians[block] for block in dense)
    # timed alone, blocks may come out slower than inside the model: then their shares stay and no base is left
    scale = min(1.0, dense_s / explained) if explained > 0 else 1.0
    kinds = dict.fromkeys(kind for kind, _ in medians)
    points = {kind: tuple((units, s * scale) for (of, units), s in medians.items() if of == kind) for kind in kinds}
    return LatencyTable(base_s=max(0.0, dense_s - explained * scale), blocks=points, conditions=conditions)
