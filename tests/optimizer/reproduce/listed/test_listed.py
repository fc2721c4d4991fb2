"""Networks pruned by published lists: counts equal to the unit, what removed biases leave, and what a table shows."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pandas as pd
import pytest
import torch
from torch import nn

from objectives.size import count_parameters
from optimizer.charts.chart import Chart
from optimizer.ledger import Ledger
from optimizer.measuring.ratios import Ratio
from optimizer.reproduce.listed import figures
from optimizer.reproduce.listed.experiment import ListedExperiment, ListedReproduction
from optimizer.reproduce.listed.findings import (
    Cell,
    Tally,
    beyond,
    cheapest,
    dearer,
    dearer_steps,
    published_grid,
    rank_correlation,
)
from optimizer.reproduce.listed.networks import MappedConvolution, count_macs, pruned, removals, unpruned
from optimizer.reproduce.listed.preset import ListedPreset, Network, Pruning, Series
from optimizer.reproduce.listed.records import ListedRecord
from optimizer.reproduce.presets import read_preset
from optimizer.reproduce.reproduce import Asked, reproduce

PRESET = ListedPreset.model_validate(read_preset("energy-analyzer"))
SOME = {"alexnet": (5, 10, 15, 65), "vgg11": (5, 60), "vgg16": (65,)}


@pytest.mark.parametrize("model", SOME)
def test_counts_are_the_published_ones_to_the_unit(model: str) -> None:
    network, dense = PRESET.network(model), unpruned(model, device="meta")
    assert (count_macs(dense), count_parameters(dense)) == (network.macs, network.parameters)
    for series in network.series:
        for ratio in SOME[model]:
            net = pruned(dense, network, Pruning(series.distribution, ratio), seed=PRESET.pruning_seed)
            place = PRESET.ratios.index(ratio)
            assert (count_macs(net), count_parameters(net)) == (series.macs[place], series.parameters[place])


class SmallNetwork(nn.Module):
    """The parts of an AlexNet, three convolutions and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        first = [nn.Conv2d(3, 8, 11, 4, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)]
        second = [nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(9)]
        self.features = nn.Sequential(*first, *second, nn.Conv2d(12, 6, 3, padding=1))
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 5))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.avgpool(self.features(images))
        return cast("torch.Tensor", self.classifier(features.flatten(1)))


def test_a_pruned_network_computes_what_zeroed_filters_do() -> None:
    torch.manual_seed(0)
    dense, seed = SmallNetwork().eval(), 23
    series = Series(distribution="PD9", removed_at_50=(50, 34, 0), macs=(), parameters=(), energy_j=(), fps=())
    network = Network(name="small", macs=0, parameters=0, energy_j=(), fps=(), series=(series,))
    pruning = Pruning("PD9", 50)
    layers = [layer for layer in dense.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    counts = removals(network, pruning, [len(layer.weight) for layer in layers])
    assert counts == [4, 4, 0, 8, 0]
    smaller = pruned(dense, network, pruning, seed=seed)
    with torch.no_grad():
        for layer, count in zip(layers, counts, strict=True):
            layer.weight[torch.randperm(len(layer.weight), generator=torch.Generator().manual_seed(seed))[:count]] = 0
        images = torch.randn(2, 3, 224, 224)
        torch.testing.assert_close(smaller(images), dense(images))
    mapped = smaller.get_submodule("features.3")
    assert isinstance(mapped, MappedConvolution)
    assert mapped.bias_map.shape == (8, 27, 27)


def test_the_published_table_has_the_published_findings() -> None:
    grids = {model: published_grid(PRESET, model) for model in PRESET.models}
    every = {cell: cost for grid in grids.values() for cell, cost in grid.items()}
    assert dearer(every)[::2] == (210, 975)
    assert sum(cheapest(grid, "PD1", 25).shown for grid in grids.values()) == 13
    assert sum(cheapest(grid, "PD1", 50).shown for grid in grids.values()) == 14
    by_batch = [
        dearer_steps({c: v for c, v in grid.items() if c.batch == batch}, PRESET.ratios).shown
        for grid in grids.values()
        for batch in PRESET.batch_sizes
    ]
    assert (min(by_batch), max(by_batch)) == (8, 23)
    assert beyond(grids["vgg16"], "PD1", 50, 55).shown == 5


def test_an_order_is_shown_where_intervals_do_not_overlap() -> None:
    def cell(ratio: int, distribution: str = "PD1") -> Cell:
        return Cell("net", distribution, ratio, 1)

    grid = {
        cell(5): Ratio(value=1.1, lower=1.05, upper=1.2),
        cell(10): Ratio(value=0.98, lower=0.9, upper=1.01),
        cell(15): Ratio(value=0.7, lower=0.6, upper=0.8),
        cell(15, "PD2"): Ratio(value=0.9, lower=0.85, upper=0.95),
    }
    assert dearer(grid) == Tally(1, 2, 4)
    assert dearer_steps(grid, (5, 10, 15)) == Tally(1, 2, 3)
    assert cheapest(grid, "PD1", 15) == Tally(1, 0, 1)
    assert cheapest(grid, "PD2", 15) == Tally(0, 1, 1)
    assert beyond(grid, "PD1", 10, 15) == Tally(0, 1, 1)
    assert cheapest(grid, "PD1", 5).in_words == "none, since none was timed"


def test_a_rank_correlation_has_an_interval() -> None:
    found = rank_correlation([1, 2, 3, 5, 4, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8])
    assert found is not None
    assert 0.8 < found.lower < found.value < found.upper < 1
    assert rank_correlation([1, 2], [1, 2]) is None


def test_a_reproduction_times_beside_the_unpruned_network_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Chart] = []

    def noted(chart: Chart, *_: object) -> list[Path]:
        drawn.append(chart)
        return []

    monkeypatch.setattr(figures, "write_pictures", noted)
    scale = PRESET.scales["quick"].model_copy(update={"timed": ("PD1_GPR-50",), "seconds": 0.01, "batch_sizes": (1,)})
    labels = {"UNPRUNED", "PD1_GPR-50", "PD2_GPR-50"}
    few = tuple(each for each in PRESET.configurations if each.label in labels)
    preset = PRESET.model_copy(update={"scales": {"quick": scale}, "configurations": few})
    said: list[str] = []
    experiment = ListedExperiment(preset=preset, asked=Asked(model="alexnet"), cache_dir=tmp_path, progress=said.append)
    found = reproduce(experiment, tmp_path)
    assert isinstance(found, ListedReproduction)
    timed, counted = {row.configuration: row for row in found.rows}["PD1_GPR-50"], found.rows[-1]
    (at_one,) = timed.batches
    assert at_one.time.lower <= at_one.time.value <= at_one.time.upper
    assert at_one.published_energy_j == 0.1475
    assert timed.flops == 2 * timed.macs == 2 * 197144928
    assert counted.batches == () and counted.flops_equal and counted.parameters_equal
    assert any("the two are swapped" in sentence for sentence in found.sentences)
    assert (tmp_path / "noise-alexnet-batches.csv").read_text().count("\n") == 2
    assert len(said) == 3
    energy, throughput = drawn
    assert [panel.title for panel in energy.panels] == [f"batch {batch}" for batch in PRESET.batch_sizes]
    lines = {series.name: series for series in throughput.panels[0].series}
    assert len(lines) == 6 and len(energy.panels[1].series) == 5  # five published, one here, at batch 1 alone
    of_50 = 1 + PRESET.ratios.index(50)
    assert (
        lines["PD1, published"].x[of_50] == lines["PD1, here"].x[1] == pytest.approx(100 * (1 - timed.macs / 714197696))
    )
    assert lines["PD1, published"].y[of_50] == pytest.approx(100 * 1024 / 1041)
    assert lines["PD1, here"].y[1] == pytest.approx(100 / at_one.time.value)
    totals = pd.read_csv(tmp_path / "energy-analyzer-totals.csv").set_index("batch")
    assert list(totals.index) == ["1", "8", "16", "32", "64", "all"]
    assert list(totals.loc["all", ["published", "more energy than unpruned", "timed here"]]) == [325, 61, 1]
    assert totals.loc["1", "mean time"] == f"{at_one.time.value - 1:+.1%}"
    reproduce(experiment, tmp_path)
    assert len(said) == 3
    assert all(Ledger(tmp_path / "runs.jsonl", ListedRecord).get(key) for key in experiment.plan())
