"""Layer tables: linear between what was timed, exact for the networks that calibrate them, priced without a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from optimizer.families.encoders.load import load_workload
from optimizer.latency import layers
from optimizer.latency.layers import LayerLatency, LayerTable, LayerTimes, _times, level_at, sum_of_layers
from optimizer.spec import StudySpec
from optimizer.workload import Workload
from search_spaces.config import Config
from search_spaces.layouts.layout import Axis, Layout

GRID = LayerTimes(axes=(Axis.COLUMNS, Axis.ROWS), counts=((2, 4), (1, 3)), steps=(1, 1), seconds=(1.0, 2.0, 3.0, 6.0))


def test_a_layer_is_linear_on_each_side_and_flat_below_the_smallest() -> None:
    assert [GRID.at(corner) for corner in ((2, 1), (2, 3), (4, 1), (4, 3))] == [1.0, 2.0, 3.0, 6.0]
    assert GRID.at((3, 1)) == pytest.approx(2.0)
    assert GRID.at((3, 2)) == pytest.approx(3.0)
    assert GRID.at((1, 0)) == 1.0


class ImageNorm(nn.LayerNorm):
    """Normalises channels that come first, as image networks have them."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().forward(pixels.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Strange(nn.Module):
    """Calls one layer by keyword and normalises channels first."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Conv2d(1, 8, 3), ImageNorm(8), nn.Conv2d(8, 4, 3)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.second(input=self.norm(self.first(pixel_values)))


@pytest.mark.parametrize(("side", "timed"), [(12, {"first", "norm"}), (10, {"first"})])
def test_layers_that_cannot_be_timed_alone_are_left_to_the_whole(side: int, timed: set[str]) -> None:
    sizes = {("first", Axis.ROWS): 8, ("norm", Axis.CHANNELS): 8, ("second", Axis.COLUMNS): 8}
    widths = [dict.fromkeys(sizes, 4), sizes]
    model = Strange().eval()
    with torch.inference_mode():  # at side 10 the norm reads 8 channels of 8×8: either could be the channels
        assert set(_times(model, widths, {"pixel_values": torch.randn(2, 1, side, side)})) == timed


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workload, Layout, Path, LayerLatency]:
    cache = tmp_path_factory.mktemp("cache")
    spec = spec_of()
    workload = load_workload(spec, cache_dir=cache, progress=lambda *_: None)
    family = workload.family
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "LAYER_SECONDS", 0.02)
        patch.setattr(layers, "WHOLE_SECONDS", 0.5)
        return workload, family.layout, cache, family.latency(spec, cache)


def spec_of() -> StudySpec:
    fields = {"model": "resnet18", "task": "digits", "epsilon": 0.1, "round_to": 8, "batch_sizes": [4], "threads": 1}
    return StudySpec.model_validate({**fields, "allow_untrained": True})


def test_whole_networks_are_predicted_as_they_were_timed(priced: tuple) -> None:
    _, space, cache, cost = priced
    (path,) = (cache / "latency").iterdir()
    table = LayerTable.model_validate_json(path.read_text())
    for share, seconds in zip((0.0, 0.15, 0.35, 0.65, 1.0), table.whole, strict=True):
        config = Config.of({group.name: level_at(group, share) for group in space.groups})
        assert cost.total(config) == pytest.approx(seconds)
    assert cost.dense == table.whole[-1]
    assert table.whole[0] < table.whole[-1]


def test_every_convolution_is_in_the_table_and_wider_layers_cost_more(priced: tuple) -> None:
    _, space, cache, cost = priced
    (path,) = (cache / "latency").iterdir()
    table = LayerTable.model_validate_json(path.read_text())
    assert {path for path, axis in space.sizes if axis is Axis.ROWS} <= set(table.layers)
    narrow = space.kept_counts(Config.of({group.name: group.levels[0] for group in space.groups}))
    assert sum_of_layers(table.layers, narrow) < sum_of_layers(table.layers, space.sizes)
    group = max(space.groups, key=lambda group: group.units)
    levels = cost.of_levels(group)
    assert levels.shape == (len(group.levels),)
    assert levels[0] < levels[-1]
    assert levels[-1] == pytest.approx(cost.dense)
    assert np.isfinite(levels).all()
