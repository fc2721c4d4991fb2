"""The study of industrial images in miniature: scenarios, its own columns and figures, and what it says of masks."""

from __future__ import annotations

import csv
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from optimizer.errors import UnknownNameError
from optimizer.families.networks.models import new_model
from optimizer.reproduce.images.execute import target_of
from optimizer.reproduce.images.experiment import ImageExperiment, ImageReproduction
from optimizer.reproduce.images.preset import ImagePreset, ImageScale
from optimizer.reproduce.presets import read_preset
from optimizer.reproduce.reproduce import Asked, reproduce
from optimizer.reproduce.rows import Figure
from optimizer.tasks.images.data import Images
from optimizer.tasks.images.scores import accuracy
from search_spaces.transforms.masks.choose import magnitude_scores
from search_spaces.transforms.masks.layers import maskable_layers, weights_per_unit

PRESET = ImagePreset.model_validate(read_preset("industrial-cnn"))
TECHNIQUES = ("PT", "IT", "post", "SET")
CHOSEN = ("dense", "80_80_SET", "50_80_SET", "0_80_post")


def miniature(model: str, tmp_path: Path, **asked: object) -> ImageExperiment:
    """The study on a network of any size: what conv layers lose is tested apart, without training them."""
    size = ImageScale(
        runs=1, epochs=2, batch_size=8, train_examples=16, test_examples=20, models=(model,), image_size=4,
        inference_seconds=0.01, test_batch_size=2,
    )  # fmt: skip
    scales = {"quick": size, "paper": PRESET.scales["paper"]}
    chosen = tuple(PRESET.configuration(label) for label in CHOSEN)
    preset = PRESET.model_copy(update={"scales": scales, "configurations": chosen, "orders": PRESET.orders[3:4]})
    return ImageExperiment(preset=preset, asked=Asked(**asked), cache_dir=tmp_path)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[ImageReproduction, Path]:
    output = tmp_path_factory.mktemp("industrial")
    result = reproduce(miniature("mlp-small", output, dataset="digits"), output)
    assert isinstance(result, ImageReproduction)
    return result, output


@pytest.mark.parametrize(("model", "linear"), [("resnet18", 512 * 10), ("vgg16", 512 * 4096 + 4096 * 4096 + 4096 * 10)])
def test_scenarios_prune_filters_and_connections(model: str, linear: int) -> None:
    network = new_model(model, (1, 4, 4), 10, seed=0)
    layers = maskable_layers(network)
    total = sum(layer.weight.numel() for layer in layers.values())
    scores, pruned = magnitude_scores(layers), {}
    for label in ("80_80_SET", "50_80_SET", "0_80_post"):
        counts = target_of(PRESET.configuration(label), PRESET, network).counts(layers, scores)
        pruned[label] = sum(count * weights_per_unit(layers[name]) for name, count in counts.items())
    assert pruned["80_80_SET"] == pytest.approx(0.8 * total, rel=0.02)
    assert pruned["50_80_SET"] == pytest.approx(0.5 * (total - linear) + 0.8 * linear, rel=0.02)
    assert pruned["0_80_post"] == pytest.approx(0.8 * linear, abs=3)


def test_every_epoch_is_kept_and_validated(done: tuple[ImageReproduction, Path]) -> None:
    result, output = done
    dense = result.rows[0]
    assert [epoch.validation_accuracy is None for epoch in dense.epochs] == [False, False]
    assert dense.training_accuracy.mean == max(epoch.training_accuracy for epoch in dense.epochs)
    assert dense.loss.mean == dense.epochs[-1].loss
    with (output / "digits-mlp-small-epochs.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 2 * len(CHOSEN)
    assert float(table[1]["loss"]) == dense.loss.mean


def test_costs_of_training_are_those_of_all_epochs_against_dense(done: tuple[ImageReproduction, Path]) -> None:
    dense, *sparse = done[0].rows
    assert dense.training_s.mean == pytest.approx(2 * dense.epoch_s.mean)
    assert dense.training_time_change == Figure(mean=0, deviation=None)
    for row in sparse:
        expected = pytest.approx(row.training_j.mean / dense.training_j.mean - 1)
        change = row.training_energy_change
        assert change is None if row.configuration == "0_80_post" else change.mean == expected


def test_pruning_afterwards_takes_the_dense_network_of_its_seed(done: tuple[ImageReproduction, Path]) -> None:
    rows = {row.configuration: row for row in done[0].rows}
    dense, afterwards = rows["dense"], rows["0_80_post"]
    assert afterwards.training_s == dense.training_s  # the same seconds: trained once
    assert [epoch.loss for epoch in afterwards.epochs] == [epoch.loss for epoch in dense.epochs]
    assert afterwards.epochs[0] == dense.epochs[0]
    assert afterwards.epochs[-1].validation_accuracy == pytest.approx(
        afterwards.accuracy.mean
    )  # without the weights it lost
    assert afterwards.pruned_weights > 0 == dense.pruned_weights
    assert "0_80_post prune the dense network of the same seed" in "\n".join(done[0].sentences)
    assert not [*(done[1] / "checkpoints").iterdir()]


@pytest.mark.parametrize("native", [torch.bfloat16, torch.float32])
def test_training_computes_in_bfloat16_where_a_scale_asks_and_the_machine_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: torch.dtype
) -> None:
    monkeypatch.setattr("optimizer.reproduce.images.experiment.native_dtype", lambda _: native)
    seen = set[torch.dtype]()

    def forward(model: nn.Linear, inputs: torch.Tensor) -> torch.Tensor:
        outputs = nn.functional.linear(inputs, model.weight, model.bias)
        if model.training:
            seen.add(outputs.dtype)
        else:
            assert outputs.dtype == torch.float32
        return outputs

    plain = miniature("mlp-small", tmp_path, dataset="digits")
    scales = {"quick": plain.scale.model_copy(update={"bfloat16": True})}
    asking = replace(plain, preset=plain.preset.model_copy(update={"scales": scales}))
    assert {each.training_precision for each in plain.plan()} == {"float32"}
    key = list(asking.plan())[1]
    assert key.training_precision == str(native).removeprefix("torch.")
    monkeypatch.setattr(nn.Linear, "forward", forward)
    records = [asking.execute(key.model_copy(update={"configuration": label})) for label in ("dense", "80_80_SET")]
    assert seen == {native}
    said = "\n".join(asking.sentences(asking.rows(records), records))
    assert ("Steps of training compute in bfloat16" in said) == (native == torch.bfloat16)


def test_columns_and_figures_are_those_of_this_paper(done: tuple[ImageReproduction, Path]) -> None:
    result, output = done
    page = (output / "digits-mlp-small.md").read_text(encoding="utf-8")
    heads = [line for line in page.splitlines() if line.startswith("| configuration |")]
    assert len(heads) == 3
    assert all(f"| {head} |" in heads[0] for head in ("F1", "recall", "precision", "highest training accuracy, %"))
    assert "| training, J (modelled) |" in heads[2]
    assert "index" not in page
    assert not re.search(r"\|\s+\|", "".join(heads))  # every column has its name
    drawn = {Path(file).stem.removeprefix("digits-mlp-small-") for file in result.files if file.endswith(".svg")}
    assert drawn == {
        "training-accuracy", "validation-accuracy", "training-loss", "test-scores", "total-training-time",
        "total-training-energy", "peak-memory-of-training", "average-inference-time", "total-inference-energy",
    }  # fmt: skip
    scores = (output / "digits-mlp-small-test-scores.svg").read_text(encoding="utf-8")
    assert all(
        f"<!-- {word} -->" in scores for word in ("F1", "recall", "precision", "accuracy", "set", "uniform 80 %")
    )


def test_sentences_say_what_is_not_the_papers_and_what_masks_cannot_do(done: tuple[ImageReproduction, Path]) -> None:
    said = "\n".join(done[0].sentences)
    assert "The paper says nothing of digits" in said
    assert "not the paper's scale: 1 run of 2 epochs on 16 images, where the paper has 3 of 50" in said
    assert "Trained on 16 images, validated after each epoch on the test images" in said
    assert "Of all weights, uniform 80 % is " in said
    assert "No saving can come from a mask" in said
    assert "`0_80_*`, over mlp-small on digits: accuracy against dense, in points at least -3.00% in" in said
    assert "50_80_SET minus 80_80_SET" in said
    assert "one run decides nothing" in said


def test_on_its_own_data_published_values_stand_beside_ours(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sizes = {"train": 24, "val": 8, "test": 16}
    images = {f"{part}_images": rng.integers(0, 256, (n, 28, 28, 3), dtype=np.uint8) for part, n in sizes.items()}
    labels = {f"{part}_labels": np.arange(n)[:, None] % 8 for part, n in sizes.items()}
    np.savez(tmp_path / "bloodmnist.npz", **images, **labels)
    experiment = miniature("resnet18", tmp_path, dataset="bloodmnist", directory=tmp_path)
    records = [experiment.execute(next(iter(experiment.plan())))]
    said = "\n".join(experiment.sentences(experiment.rows(records), records))
    assert "Trained on 16 images, validated on 8 others, tested on 16." in said
    assert "published 200,000 J (section 4.6, mean of sparse and dense, on an A100); shown, not judged" in said
    assert "published 11,000,000 (section 4.7, parameters); ours agrees." in said


def test_every_scenario_meets_every_technique() -> None:
    labels = [f"{scenario}_{technique}" for scenario in ("80_80", "50_80", "0_80") for technique in TECHNIQUES]
    assert [configuration.label for configuration in PRESET.configurations] == ["dense", *labels]


def test_the_paper_scale_has_the_published_settings() -> None:
    experiment = ImageExperiment(preset=PRESET, asked=Asked(scale="paper"), cache_dir=Path())
    keys = list(experiment.plan())
    assert len(keys) == 3 * 2 * 3 * 13
    assert {(key.epochs, key.batch_size, key.learning_rate, key.image_size) for key in keys} == {(50, 64, 1e-4, None)}


def test_a_scale_that_a_preset_lacks_is_refused_with_those_that_it_has() -> None:
    keys = list(ImageExperiment(preset=PRESET, asked=Asked(scale="overnight"), cache_dir=Path()).plan())
    assert {key.train_examples for key in keys} == {8000}
    without = PRESET.model_copy(update={"scales": {"quick": PRESET.scales["quick"]}})
    with pytest.raises(UnknownNameError, match="scale: unknown name 'overnight'; did you mean 'quick'"):
        ImageExperiment(preset=without, asked=Asked(scale="overnight"), cache_dir=Path())


def test_a_run_that_was_killed_goes_on_after_its_last_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimizer.training.checkpoint.EVERY", 0.0)
    scored = list[float]()

    def killed(model: nn.Module, images: Images) -> float:
        scored.append(accuracy(model, images))
        if len(scored) == 2:
            raise KeyboardInterrupt
        return scored[-1]

    monkeypatch.setattr("optimizer.training.images.accuracy", killed)
    experiment = miniature("mlp-small", tmp_path, dataset="digits")
    key = list(experiment.plan())[1]
    with pytest.raises(KeyboardInterrupt):
        experiment.execute(key)
    assert [each.suffix for each in (tmp_path / "checkpoints").iterdir()] == [".state"]
    resumed = experiment.execute(key)
    assert len(scored) == 3
    assert [epoch.validation_accuracy for epoch in resumed.epochs] == [scored[0], scored[2]]
    assert not [*(tmp_path / "checkpoints").iterdir()]
    assert [epoch.loss for epoch in experiment.execute(key).epochs] == [epoch.loss for epoch in resumed.epochs]


def test_quick_keeps_both_networks_and_every_configuration() -> None:
    keys = list(ImageExperiment(preset=PRESET, asked=Asked(dataset="fashion_mnist"), cache_dir=Path()).plan())
    assert {key.model for key in keys} == {"vgg16", "resnet18"}
    assert len(keys) == 2 * len(PRESET.configurations)


def test_published_values_stand_in_the_rows_they_are_of() -> None:
    found = [claim for claim in PRESET.published if claim.datasets == ("mvtec_3d",) and claim.is_about("0_80_SET")]
    assert {claim.value for claim in found if claim.metric == "accuracy"} == {0.92}
    assert not any(claim.is_about("dense") for claim in PRESET.published if claim.configurations == ("*_*",))


def test_every_published_number_names_its_section() -> None:
    claims = [*PRESET.published, *PRESET.tallies, *PRESET.comparisons, *PRESET.remarks]
    assert all(claim.where.startswith("section ") for claim in claims)


@pytest.mark.parametrize(("field", "wrong"), [("configurations", ["*_LOTTERY"]), ("metric", "elegance")])
def test_a_claim_about_nothing_is_refused(field: str, wrong: object) -> None:
    broken = PRESET.model_dump()
    broken["tallies"] = [{**broken["tallies"][0], field: wrong}]
    with pytest.raises(ValueError, match=r"\*_LOTTERY|elegance"):
        ImagePreset.model_validate(broken)


def test_the_file_is_what_is_parsed() -> None:
    path = Path(__file__).parents[4] / "studies" / "presets" / "industrial-cnn.toml"
    assert ImagePreset.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))) == PRESET
