from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from pydantic import ValidationError

from objectives.clocks import Clocks
from objectives.latency_table import LatencyTable, build_latency_table
from objectives.measurement import Source

TABLE = LatencyTable(
    base_s=1.0,
    blocks={"heads": ((1, 0.5), (3, 1.5), (4, 1.5)), "neurons": ((0, 0.125), (64, 0.25), (128, 1.25))},
    conditions={"batch": 1},
)


class World:
    """A clock that only runs move on."""

    now = 0.0

    def run(self, seconds: float) -> Callable[[], None]:
        def run() -> None:
            self.now += seconds

        return run

    @property
    def clocks(self) -> Clocks:
        return Clocks(lambda: self.now, lambda: self.now, lambda: (0, 0))


@pytest.mark.parametrize(
    ("block", "seconds"),
    [
        (("heads", 1), 0.5),
        (("heads", 2), 1.0),
        (("heads", 4), 1.5),
        (("heads", 0), 0.0),  # removed: nothing left to run
        (("neurons", 0), 0.125),  # unless that was measured
        (("neurons", 96), 0.75),
    ],
)
def test_blocks_are_read_off_and_between_measured_counts(block: tuple[str, int], seconds: float) -> None:
    assert TABLE.block_seconds(block) == seconds


def test_below_the_smallest_measured_count_a_block_is_no_faster() -> None:
    table = LatencyTable(base_s=0, blocks={"neurons": ((64, 0.25), (128, 1.0))})
    assert table.block_seconds(("neurons", 8)) == 0.25


def test_a_model_is_its_base_and_its_blocks() -> None:
    measurement = TABLE.measurement([("heads", 4), ("neurons", 128), ("heads", 0), ("neurons", 64)])
    assert (
        measurement.value == TABLE.predict([("heads", 4), ("neurons", 128), ("neurons", 64)]) == 1 + 1.5 + 1.25 + 0.25
    )
    assert (measurement.source, measurement.unit, measurement.conditions) == (Source.TABLE, "s", {"batch": 1})


@pytest.mark.parametrize("block", [("heads", 5), ("heads", -1), ("channels", 1)])
def test_what_was_not_measured_is_not_predicted(block: tuple[str, int]) -> None:
    with pytest.raises(ValueError, match="latency table"):
        TABLE.predict([block])


def test_a_table_survives_json() -> None:
    assert LatencyTable.model_validate(json.loads(json.dumps(TABLE.model_dump(mode="json")))) == TABLE


@pytest.mark.parametrize(
    "broken",
    [
        {"base_s": -1.0, "blocks": {}},
        {"base_s": 0.0, "blocks": {"heads": ()}},
        {"base_s": 0.0, "blocks": {"heads": ((2, 0.1), (1, 0.1))}},
        {"base_s": 0.0, "blocks": {"heads": ((1, float("nan")),)}},
    ],
)
def test_a_table_that_cannot_be_is_refused(broken: dict) -> None:
    with pytest.raises(ValidationError):
        LatencyTable.model_validate(broken)


def build(block_s: dict[tuple[str, int], float], dense_s: float) -> LatencyTable:
    world = World()
    return build_latency_table(
        lambda kind, units: world.run(block_s[kind, units]),
        {"heads": (2, 1), "neurons": (8, 16)},
        run_dense=world.run(dense_s),
        threads=1,
        dense=[("heads", 2), ("neurons", 16)] * 2,
        rng=np.random.default_rng(0),
        seconds=0.3,
        conditions={"batch": 1},
        clocks=world.clocks,
    )


DENSE = [("heads", 2), ("neurons", 16)] * 2
BLOCKS = {("heads", 1): 0.002, ("heads", 2): 0.004, ("neurons", 8): 0.001, ("neurons", 16): 0.003}


def test_what_blocks_do_not_explain_is_the_base() -> None:
    table = build(BLOCKS, dense_s=0.02)
    assert [units for units, _ in table.blocks["heads"]] == [1, 2]
    assert table.base_s == pytest.approx(0.006)
    assert table.predict(DENSE) == pytest.approx(0.02)
    assert table.predict([("heads", 1), ("neurons", 8)] * 2) < table.predict(DENSE)


def test_blocks_slower_alone_than_together_keep_their_shares() -> None:
    table = build(BLOCKS, dense_s=0.007)
    assert table.base_s == pytest.approx(0, abs=1e-9)
    assert table.predict(DENSE) == pytest.approx(0.007)
    assert table.block_seconds(("heads", 1)) < table.block_seconds(("heads", 2))


def test_the_dense_blocks_must_be_among_the_measured() -> None:
    with pytest.raises(ValueError, match=r"heads.*3"):
        build_latency_table(
            lambda kind, units: World().run(0),
            {"heads": (1, 2)},
            run_dense=World().run(0),
            threads=1,
            dense=[("heads", 3)],
            rng=np.random.default_rng(0),
        )
