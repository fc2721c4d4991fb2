"""The published study in miniature, from the preset to tables, figures and sentences."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from pydantic import ValidationError

from optimizer.errors import InputError, UnknownNameError
from optimizer.reproduce.images.experiment import ImageExperiment, ImageReproduction
from optimizer.reproduce.images.preset import ImagePreset, ImageScale
from optimizer.reproduce.presets import preset_names, read_preset
from optimizer.reproduce.reproduce import Asked, reproduce

EIGHT = [f"{ratio}_{approach}_{name}" for ratio in (50, 80) for name in ("PT", "SET") for approach in ("G", "L")]


PRESET = ImagePreset.model_validate(read_preset("mlp-layerwise"))


def experiment(place: Path, **asked: object) -> ImageExperiment:
    size = ImageScale(runs=2, epochs=1, train_examples=120, test_examples=60, models=("mlp-small",))
    scales = {**PRESET.scales, "quick": size.model_copy(update={"inference_seconds": 0.02})}
    preset = PRESET.model_copy(update={"scales": scales})
    return ImageExperiment(preset=preset, asked=Asked(**asked), cache_dir=place)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[ImageReproduction, Path]:
    output = tmp_path_factory.mktemp("reproduction")
    result = reproduce(experiment(output, dataset="digits"), output)
    assert isinstance(result, ImageReproduction)
    return result, output


def test_every_configuration_of_the_paper_has_a_row(done: tuple[ImageReproduction, Path]) -> None:
    rows = {row.configuration: row for row in done[0].rows}
    assert set(rows) >= {"dense", *EIGHT}
    assert all(row.runs == 2 and row.accuracy.deviation is not None for row in rows.values())
    assert all(0 <= row.efficiency_index < 1 for row in rows.values())
    assert rows["dense"].accuracy_change.mean == 0


def test_overall_sparsity_stands_beside_the_nominal_one(done: tuple[ImageReproduction, Path]) -> None:
    rows = {row.configuration: row for row in done[0].rows}
    assert (rows["50_L_SET"].nominal_sparsity, rows["50_L_SET"].pruned_weights) == (0.5, 128)
    assert rows["50_G_SET"].overall_sparsity == 0.5
    assert abs(rows["80_E_PT"].pruned_weights - rows["80_L_PT"].pruned_weights) <= 2


def test_differences_are_paired_at_nominal_and_at_equal_sparsity(done: tuple[ImageReproduction, Path]) -> None:
    found = {(difference.above, difference.below): difference for difference in done[0].differences}
    assert {("50_L_PT", "50_G_PT"), ("50_L_PT", "50_E_PT"), ("50_L_PT", "50_R_PT")} <= set(found)
    assert len(found) == 12
    rows = {row.configuration: row.accuracy.mean for row in done[0].rows}
    difference = found["80_L_SET", "80_G_SET"]
    assert difference.mean == pytest.approx(rows["80_L_SET"] - rows["80_G_SET"])
    assert difference.lower is not None and difference.upper is not None
    assert difference.lower <= difference.mean <= difference.upper


def test_sentences_say_what_the_sparsity_cannot_save(done: tuple[ImageReproduction, Path]) -> None:
    said = "\n".join(done[0].sentences)
    assert "50_L_SET removes 128 of 1,440 weights (8.89%)" in said
    assert "The -33% of time that the paper reports at best for such networks cannot come from this sparsity." in said
    assert "against global: the published order (layer-wise above) is shown in" in said
    assert "against global at equal overall sparsity, which the paper does not compare: above in" in said
    assert "of `*_L_*` below that of `*_G_*`: in" in said
    assert "Efficiency Index" in said


def test_tables_and_figures_are_written(done: tuple[ImageReproduction, Path]) -> None:
    result, output = done
    assert all(Path(file).stat().st_size for file in result.files)
    with (output / "digits-mlp-small.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["configuration"] for row in table] == [row.configuration for row in result.rows]
    assert float(table[0]["accuracy_mean"]) == result.rows[0].accuracy.mean
    assert "| dense | dense |" in (output / "digits-mlp-small.md").read_text(encoding="utf-8")
    assert "Efficiency Index" in (output / "digits-mlp-small.html").read_text(encoding="utf-8")
    assert "Efficiency Index" in (output / "digits-mlp-small-trade-off.svg").read_text(encoding="utf-8")


def test_finished_runs_are_not_repeated_and_a_torn_one_is(done: tuple[ImageReproduction, Path], tmp_path: Path) -> None:
    kept = (done[1] / "runs.jsonl").read_bytes()
    (tmp_path / "runs.jsonl").write_bytes(kept[:-40])
    told: list[str] = []
    unfinished = experiment(tmp_path, dataset="digits")
    unfinished.progress = told.append
    again = reproduce(unfinished, tmp_path)
    assert len(told) == 1
    assert told[0].startswith("34/34")
    assert [row.accuracy for row in again.rows] == [row.accuracy for row in done[0].rows]


def test_a_command_that_is_cut_off_writes_what_is_finished(
    done: tuple[ImageReproduction, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = (done[1] / "runs.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "runs.jsonl").write_text("".join(kept[:3]), encoding="utf-8")

    def broken(*_: object) -> None:
        raise InputError("data", "went away")

    monkeypatch.setattr(ImageExperiment, "execute", broken)
    monkeypatch.setattr(ImageExperiment, "write_more", lambda *_: [])  # figures take their time, and are drawn above
    with pytest.raises(InputError, match="went away"):
        reproduce(experiment(tmp_path, dataset="digits"), tmp_path)
    with (tmp_path / "digits-mlp-small.csv").open(encoding="utf-8") as file:
        assert [row["configuration"] for row in csv.DictReader(file)] == ["dense", "50_G_PT", "50_L_PT"]


def test_runs_of_another_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "runs.jsonl").write_text('{"version": 0}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"line 1 of runs\.jsonl is of another version; choose a new directory"):
        reproduce(experiment(tmp_path, dataset="digits"), tmp_path)


def test_the_paper_scale_has_the_published_settings() -> None:
    keys = list(experiment(Path(), scale="paper").plan())
    of_all = [configuration for configuration in PRESET.configurations if configuration.models is None]
    assert len(keys) == 10 * (6 * len(of_all) + 3 * len(PRESET.configurations))  # MLPs have no convolutions
    settings = {(key.dataset, key.model): (key.epochs, key.batch_size, key.learning_rate) for key in keys}
    assert settings["mnist", "mlp-small"] == (60, 4, 1e-3)
    assert settings["octmnist", "mlp-medium"] == (60, 256, 1e-5)
    assert settings["cifar10", "vgg16-deep"] == (45, 64, 1e-4)


def test_published_values_stand_in_their_rows() -> None:
    published = [p for p in PRESET.published if p.value == -0.33]
    assert {p.configurations for p in published} == {("50_L_PT",), ("50_L_SET",)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dataset": "imagenet"}, "dataset: unknown name"),
        ({"model": "bert"}, "model: unknown name"),
        ({"runs": 0}, "runs: must be at least 1, got 0"),
        ({"directory": Path("somewhere")}, "data: name the data set that it holds"),
    ],
)
def test_requests_that_cannot_work_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        experiment(Path(), **wrong)


def test_an_unknown_preset_gets_the_names() -> None:
    with pytest.raises(UnknownNameError, match="mlp-layerwise"):
        read_preset("mlp-layerwize")


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_names_its_source(name: str) -> None:
    assert "doi.org" in read_preset(name)["source"]


def test_a_preset_that_names_a_missing_configuration_is_refused() -> None:
    broken = PRESET.model_dump()
    broken["configurations"] = broken["configurations"][:2]
    with pytest.raises(ValidationError, match="labels must be unique and exist"):
        ImagePreset.model_validate(broken)
