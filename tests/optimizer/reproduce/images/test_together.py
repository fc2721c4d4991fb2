"""What is said over all data sets and models: which rows a comparison pairs, and how the cases of a tally add up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from optimizer.families.networks.models import new_model
from optimizer.ledger import Ledger
from optimizer.reproduce.images.execute import target_of
from optimizer.reproduce.images.experiment import ImageExperiment
from optimizer.reproduce.images.preset import Comparison, ImagePreset, Side
from optimizer.reproduce.images.records import EpochRecord, ImageKey, ImageRecord
from optimizer.reproduce.images.rows import ImageRow
from optimizer.reproduce.images.sentences import on_accounts
from optimizer.reproduce.images.together import pairs_of, sentences_together
from optimizer.reproduce.presets import read_preset
from optimizer.reproduce.reproduce import Asked
from optimizer.reproduce.rows import Figure
from optimizer.tasks.images.data import Images
from optimizer.training.images import TrainingSettings, train
from optimizer.views.accounts import Accounted
from search_spaces.transforms.masks.choose import magnitude_scores
from search_spaces.transforms.masks.layers import is_convolution, maskable_layers, unit_count
from search_spaces.transforms.masks.schedules.table import SCHEDULES
from search_spaces.transforms.masks.target import Target

INDUSTRIAL = ImagePreset.model_validate(read_preset("industrial-cnn"))
LAYERWISE = ImagePreset.model_validate(read_preset("mlp-layerwise"))


def record(experiment: ImageExperiment, key: ImageKey, *, accuracy: float, seconds: float) -> ImageRecord:
    """A run whose training takes `seconds`, a little more with each seed."""
    epoch = EpochRecord(
        loss=1.0, training_accuracy=0.5, validation_accuracy=0.5, seconds=seconds + key.seed / 100, joules=seconds
    )
    return ImageRecord(
        key=key, accuracy=accuracy, weights=10, pruned_weights=0, precision=0.5, recall=0.5, f1=0.5,
        inference_s=1e-3 * (1 + key.seed / 100), time_ratio=1.0, inference_j=1.0, energy_ratio=1.0, removed_neurons=0,
        removed_ratio=None, csr_ratio=None, training_examples=1, validation_examples=0, test_examples=1,
        epochs=(epoch,) * key.epochs, energy_source="modelled", memory_bytes=100, device="cpu",
    )  # fmt: skip


def rows_of(preset: ImagePreset, seconds: dict[str, float], **asked: object) -> tuple[ImageRow, ...]:
    """The rows of a whole plan, whose training times are those of their models."""
    experiment = ImageExperiment(preset=preset, asked=Asked(runs=2, **asked), cache_dir=Path())
    parts: dict[tuple[str, str], list[ImageRecord]] = {}
    for key in experiment.plan():
        found = record(experiment, key, accuracy=0.5, seconds=seconds[key.model])
        parts.setdefault((key.dataset, key.model), []).append(found)
    return tuple(row for records in parts.values() for row in experiment.rows(records))


@pytest.fixture(scope="module")
def rows() -> tuple[ImageRow, ...]:
    preset = INDUSTRIAL.model_copy(
        update={"scales": {"paper": INDUSTRIAL.scales["paper"].model_copy(update={"epochs": 1})}}
    )
    return rows_of(preset, {"vgg16": 5.0, "resnet18": 3.0}, scale="paper")


def test_tallies_add_up_over_all_data_sets_and_networks(rows: tuple[ImageRow, ...]) -> None:
    said = "\n".join(sentences_together(INDUSTRIAL, rows))
    shown = "by the whole interval over the runs in {} (what counts as comparable is our reading); published"
    assert f"inference time against dense at most +5.00% in 18 of 18 cases (100%), {shown.format(18)}" in said
    assert f"accuracy against dense, in points at least -3.00% in 24 of 24 cases (100%), {shown.format(24)}" in said


def test_a_case_of_a_tally_is_shown_where_its_whole_interval_is_within_the_bound(rows: tuple[ImageRow, ...]) -> None:
    steady, shaky = Figure(mean=0.04, deviation=0.001), Figure(mean=0.04, deviation=0.1)
    times = {"dense": Figure(mean=0.0, deviation=0.0), "0_80_SET": steady, "50_80_SET": shaky}
    some = [
        row.model_copy(update={"time_change": times[row.configuration]}) for row in rows if row.configuration in times
    ]
    said = "\n".join(sentences_together(INDUSTRIAL, some))
    assert "at most +5.00% in 12 of 12 cases (100%), by the whole interval over the runs in 6 (" in said


def test_two_networks_are_compared_at_the_same_configuration(rows: tuple[ImageRow, ...]) -> None:
    said = "\n".join(sentences_together(INDUSTRIAL, rows))
    assert (
        "training time of resnet18 below that of vgg16: in 26 of 26 pairs, by the interval of the difference in 26, "
        "reversed by it in 0; published: in all (section 4.3, all but VisA)."
    ) in said


def test_energies_of_two_accounts_are_warned_of() -> None:
    experiment = ImageExperiment(preset=LAYERWISE, asked=Asked(runs=2, dataset="digits"), cache_dir=Path())
    older, newer, *_ = (record(experiment, key, accuracy=0.5, seconds=1.0) for key in experiment.plan())
    spent = Accounted(seconds=1.0, own_cpu_share=1.0, resident_bytes=1, peak_cuda_bytes=None, parts=())
    newer = newer.model_copy(update={"epochs": tuple(e.model_copy(update={"spent": spent}) for e in newer.epochs)})
    assert [*on_accounts([older, older])] == [*on_accounts([newer])] == []
    (said,) = on_accounts([older, newer])
    assert "a new output directory has all in one account" in said


def test_rows_without_any_difference_and_without_accuracy_are_drawn(tmp_path: Path) -> None:
    experiment = ImageExperiment(preset=LAYERWISE, asked=Asked(runs=2, dataset="digits"), cache_dir=Path())
    records = [record(experiment, key, accuracy=0.0, seconds=1.0) for key in experiment.plan()]
    rows = experiment.rows(records)
    assert rows[1].accuracy_relative is None and rows[1].accuracy_spread is None
    written = experiment.write_more(rows, tmp_path, "it")
    assert all(file.stat().st_size for file in written)
    assert experiment.sentences(rows, records)


def test_what_is_made_of_several_means_has_no_interval() -> None:
    preset = LAYERWISE.model_copy(
        update={"scales": {"quick": LAYERWISE.scales["quick"].model_copy(update={"epochs": 1})}}
    )
    said = "\n".join(sentences_together(preset, rows_of(preset, {"mlp-small": 5.0})))
    assert "Efficiency Index (our reading of it) of `*_G_*` below that of `*_L_*`: in 0 of 4 pairs" in said
    assert "by it in 0 (4 without an interval); published" in said
    assert "peak memory of training of `*_L_*` below that of `*_G_*`: in 0 of 4 pairs, by the interval" in said
    assert "Of the paper: " in said


@pytest.mark.parametrize(
    ("lower", "higher", "count"),
    [
        (Side(configuration="80_80_*"), Side(configuration="50_80_*"), 3 * 2 * 4),  # each technique with itself
        (Side(configuration="*_80_SET"), Side(configuration="dense"), 3 * 2 * 3),
        (Side(dataset="visa"), Side(dataset="mvtec_3d"), 2 * 13),
        (Side(model="resnet18", dataset="visa"), Side(model="vgg16", dataset="mvtec_3d"), 13),
    ],
)
def test_pairs_share_what_their_sides_do_not_name(
    rows: tuple[ImageRow, ...], lower: Side, higher: Side, count: int
) -> None:
    comparison = Comparison(metric="training_s", lower=lower, higher=higher, where="section 1")
    assert len(pairs_of(comparison, rows)) == count


def test_the_paper_pairs_networks_with_data_sets() -> None:
    def planned(**asked: object) -> set[tuple[str, str]]:
        experiment = ImageExperiment(preset=LAYERWISE, asked=Asked(scale="paper", **asked), cache_dir=Path())
        return {(key.dataset, key.model) for key in experiment.plan()}

    assert len(planned()) == 9
    assert planned(model="mlp-small") == {(name, "mlp-small") for name in ("mnist", "fashion_mnist", "octmnist")}
    assert planned(model="mlp-small", dataset="emnist") == {("emnist", "mlp-small")}  # who asks for it gets it


def test_layer_wise_pruning_of_convolutions_leaves_the_first_the_last_and_the_classifier() -> None:
    network = new_model("vgg16-deep", (1, 8, 8), 10, seed=0)
    layers = maskable_layers(network)
    convolutions = [name for name, layer in layers.items() if is_convolution(layer)]
    of = {}
    for label in ("80_C_PT", "80_K_PT"):
        counts = target_of(LAYERWISE.configuration(label), LAYERWISE, network).counts(layers, magnitude_scores(layers))
        of[label] = {name for name, count in counts.items() if count}
        assert all(counts[name] == round(0.8 * unit_count(layers[name])) for name in of[label])
    assert of == {"80_C_PT": set(convolutions[1:-1]), "80_K_PT": set(convolutions)}


def test_in_training_and_set_draw_their_masks_apart() -> None:
    of = {
        key.configuration: key.draw
        for key in ImageExperiment(preset=INDUSTRIAL, asked=Asked(dataset="digits"), cache_dir=Path()).plan()
    }
    assert (of["50_80_SET"], of["50_80_IT"]) == (0, 1)
    images = Images(torch.rand(8, 1, 4, 4), torch.arange(8) % 2)

    def masks(draw: int) -> torch.Tensor:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2))
        settings = TrainingSettings(epochs=1, batch_size=4, learning_rate=1e-3, draw=draw)
        done = train(model, images, settings, schedule=SCHEDULES["set"](), target=Target(ratio=0.5))
        return done.masks.kept("1")

    assert torch.equal(masks(0), masks(0))
    assert 0.3 < (masks(0) != masks(1)).float().mean() < 0.7


def test_ledgers_from_before_draws_are_read(tmp_path: Path) -> None:
    experiment = ImageExperiment(preset=INDUSTRIAL, asked=Asked(dataset="digits"), cache_dir=Path())
    keys = {key.configuration: key for key in experiment.plan()}
    old = json.loads(record(experiment, keys["50_80_SET"], accuracy=0.5, seconds=1.0).model_dump_json())
    del old["key"]["draw"]
    copied = {**old, "key": {**old["key"], "configuration": "50_80_IT"}}
    (tmp_path / "runs.jsonl").write_text(f"{json.dumps(old)}\n{json.dumps(copied)}\n", encoding="utf-8")
    ledger = Ledger(tmp_path / "runs.jsonl", ImageRecord)
    assert ledger.get(keys["50_80_SET"]) is not None
    assert ledger.get(keys["50_80_IT"]) is None  # which was a copy of it


def test_a_comparison_of_nothing_is_refused() -> None:
    broken = LAYERWISE.model_dump()
    broken["comparisons"][0]["lower"]["configuration"] = "*_X_*"
    with pytest.raises(ValueError, match=r"\*_X_\*"):
        ImagePreset.model_validate(broken)
