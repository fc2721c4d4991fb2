"""What a split is expected to save of a request's time."""

from __future__ import annotations

import pytest

from optimizer.latency.splits import SplitTable, SplitTimes
from search_spaces.transforms.transform import LayerShape


def test_a_split_saves_the_layers_time_less_its_own_and_of_a_narrowed_layer_its_share() -> None:
    times = SplitTimes(weight=(8, 8), whole=4.0, ranks=(1, 3), seconds=(1.0, 2.0))
    table = SplitTable(layers={"query": times})
    split = LayerShape(weight=(8, 8), kept=2, weights_per_unit=16, is_split=True)
    assert table.saved("query", split) == pytest.approx(4.0 - 1.5)
    narrowed = LayerShape(weight=(8, 4), kept=2, weights_per_unit=12, is_split=True)
    assert table.saved("query", narrowed) == pytest.approx(4.0 * 32 / 64 - 1.5 * 12 / 16)
    assert table.saved("words", LayerShape(weight=(9, 8), kept=3, weights_per_unit=8)) == 0, "rows that go save no time"
