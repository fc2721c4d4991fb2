from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from optimizer.errors import InputError
from optimizer.spec import StudySpec
from optimizer.workloads.data import check_data, read_splits
from optimizer.workloads.tasks import TASKS, resolve_task

FRAME = pd.DataFrame({"sentence": ["a b", "c", "d e f", "g"], "label": [0, 1, 1, 0]})


def spec(data: Path, task: str = "sst2", **more: object) -> StudySpec:
    return StudySpec.model_validate({"model": "m", "task": task, "epsilon": 0.01, "data": str(data), **more})


def read(given: StudySpec) -> dict[str, object]:
    return dict(read_splits(given, resolve_task(given)))


def save(frame: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    {
        ".parquet": lambda: frame.to_parquet(path),
        ".csv": lambda: frame.to_csv(path, index=False),
        ".tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
    }[path.suffix]()


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".tsv", ".jsonl"])
@pytest.mark.parametrize("place", ["train{}", "train/part-0{}"])
def test_every_format_reads_the_same(suffix: str, place: str, tmp_path: Path) -> None:
    save(FRAME, tmp_path / place.format(suffix))
    table = read(spec(tmp_path))["train"]
    assert table.texts == (("a b",), ("c",), ("d e f",), ("g",))
    assert table.labels.tolist() == [0, 1, 1, 0]
    assert table.names == ("negative", "positive")


def test_dev_is_validation_and_unlabelled_splits_are_left_out(tmp_path: Path) -> None:
    save(FRAME, tmp_path / "dev.csv")
    save(FRAME.assign(label=-1), tmp_path / "test.csv")
    assert set(read(spec(tmp_path))) == {"validation"}


def test_label_names_map_to_the_tasks_own(tmp_path: Path) -> None:
    save(FRAME.assign(label=["positive", "negative", "negative", "positive"]), tmp_path / "train.csv")
    assert read(spec(tmp_path))["train"].labels.tolist() == [1, 0, 0, 1]


def test_a_task_of_ones_own_finds_its_columns_and_labels(tmp_path: Path) -> None:
    save(pd.DataFrame({"text": ["a", "b"], "labels": ["yes", "no"], "more": [1, 2]}), tmp_path / "train.csv")
    table = read(spec(tmp_path, "mine"))["train"]
    assert table.names == ("no", "yes")
    assert table.labels.tolist() == [1, 0]


def test_regression_keeps_floats(tmp_path: Path) -> None:
    save(pd.DataFrame({"sentence1": ["a"], "sentence2": ["b"], "label": [3.2]}), tmp_path / "train.csv")
    table = read(spec(tmp_path, "stsb"))["train"]
    assert table.labels.dtype == np.float64
    assert table.texts == (("a", "b"),)
    assert table.names == ()


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (FRAME.drop(columns="sentence"), {}, r"--text-columns: no column 'sentence'; the data have 'label'"),
        (FRAME.drop(columns="label"), {}, r"--label-column: no column 'label'"),
        (FRAME, {"text_columns": ("nope",)}, r"--text-columns: no column 'nope'"),
        (FRAME, {"label_column": "nope"}, r"--label-column: no column 'nope'"),
        (FRAME.iloc[:0], {}, r"--data: split 'train' is empty"),
        (FRAME.assign(label=[0, 1, 7, 0]), {}, r"label 7; known are 0 to 1"),
        (FRAME.assign(label=[0, 1, None, 0]), {}, r"no label in row 2"),
        (FRAME.assign(label=["positive", "odd", "odd", "odd"]), {}, r"are not those of sst2"),
    ],
)
def test_bad_data_are_refused_by_field(
    frame: pd.DataFrame, options: dict[str, object], message: str, tmp_path: Path
) -> None:
    save(frame, tmp_path / "train.csv")
    with pytest.raises(InputError, match=message):
        read(spec(tmp_path, **options))


def test_places_without_splits_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    task = TASKS["sst2"]
    with pytest.raises(InputError, match="there is no directory"):
        check_data(spec(tmp_path / "nowhere"), task)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="holds no split"):
        check_data(spec(tmp_path), task)
    save(FRAME, tmp_path / "train.csv")
    save(FRAME, tmp_path / "train.jsonl")
    with pytest.raises(InputError, match="two files for split 'train'"):
        check_data(spec(tmp_path), task)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match=r"train\.parquet cannot be read"):
        read(spec(tmp_path))


def test_unknown_tasks_get_the_nearest_names_and_metrics_must_fit() -> None:
    with pytest.raises(InputError, match="did you mean 'sst2'"):
        resolve_task(StudySpec(model="m", task="sst", epsilon=0.01))
    with pytest.raises(InputError, match="--metric"):
        resolve_task(StudySpec(model="m", task="stsb", epsilon=0.01, metric="accuracy"))
    assert resolve_task(StudySpec(model="m", task="mrpc", epsilon=0.01, metric="accuracy")).metric == "accuracy"
