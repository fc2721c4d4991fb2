from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datasets import ClassLabel, Dataset

from optimizer.errors import InputError
from optimizer.spec import StudySpec
from optimizer.tasks.texts.data import read_splits
from optimizer.tasks.texts.known import TASKS, resolve_task
from optimizer.tasks.texts.split_files import check_data, check_more
from optimizer.tasks.texts.table import Table

FRAME = pd.DataFrame({"sentence": ["a b", "c", "d e f", "g"], "label": [0, 1, 1, 0]})


def spec(data: Path, task: str = "sst2", **more: object) -> StudySpec:
    return StudySpec.model_validate({"model": "m", "task": task, "epsilon": 0.01, "data": str(data), **more})


def read(given: StudySpec) -> dict[str, Table]:
    return dict(read_splits(given, resolve_task(given)).tables)


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
    assert table.present == (0, 1)


def test_dev_is_validation_and_unlabelled_splits_are_left_out(tmp_path: Path) -> None:
    save(FRAME, tmp_path / "dev.csv")
    save(FRAME.assign(label=-1), tmp_path / "test.csv")
    assert set(read(spec(tmp_path))) == {"validation"}


def test_label_names_map_to_the_tasks_own(tmp_path: Path) -> None:
    save(FRAME.assign(label=["positive", "negative", "negative", "positive"]), tmp_path / "train.csv")
    assert read(spec(tmp_path))["train"].labels.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("task", "given", "names", "are_ids"),
    [
        ("mine", ["pos", "neg"], ("pos", "neg"), True),
        ("sst2", ["positive", "negative"], ("positive", "negative"), True),
        ("sst2", ["no", "yes"], ("negative", "positive"), False),
    ],
)
def test_ids_have_the_names_that_their_file_gives(
    task: str, given: list[str], names: tuple[str, ...], are_ids: bool, tmp_path: Path
) -> None:
    rows = Dataset.from_pandas(FRAME).cast_column("label", ClassLabel(names=given))
    rows.to_parquet(tmp_path / "train.parquet")
    table = read(spec(tmp_path, task))["train"]
    assert (table.names, table.are_ids, table.labels.tolist()) == (names, are_ids, [0, 1, 1, 0])
    rows.cast_column("label", ClassLabel(names=given[::-1])).to_parquet(tmp_path / "test.parquet")
    with pytest.raises(InputError, match="name the ids alike in all splits"):
        read(spec(tmp_path, task))


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
        (
            FRAME.drop(columns="sentence"),
            {},
            r"text_columns: no column 'sentence' in .*train\.csv; the data have 'label'",
        ),
        (FRAME.drop(columns="label"), {}, r"label_column: no column 'label' in"),
        (FRAME, {"text_columns": ("nope",)}, r"text_columns: no column 'nope' in .*train\.csv"),
        (FRAME, {"label_column": "nope"}, r"label_column: no column 'nope' in .*train\.csv"),
        (FRAME.iloc[:0], {}, r"data: split 'train' is empty"),
        (FRAME.assign(label=[0, 1, 7, 0]), {}, r"train\.csv, line 4, column 'label': label 7; known are 0 to 1"),
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
    with pytest.raises(InputError, match="there is no directory or file"):
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
    with pytest.raises(InputError, match="metric: "):
        resolve_task(StudySpec(model="m", task="stsb", epsilon=0.01, metric="accuracy"))
    assert resolve_task(StudySpec(model="m", task="mrpc", epsilon=0.01, metric="accuracy")).metric == "accuracy"


def test_known_splits_of_known_tasks_are_found_and_unread_files_are_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({"premise": ["a", "b"], "hypothesis": ["c", "d"], "label": [0, 2]})
    for name in ("train-00000-of-00001", "validation_matched", "validation_mismatched"):
        save(frame, tmp_path / f"{name}.parquet")
    (tmp_path / "test.csv.gz").write_bytes(b"")
    (tmp_path / ".hidden.csv").write_text("")
    given = spec(tmp_path, "mnli")
    data = read_splits(given, resolve_task(given))
    assert set(data.tables) == {"train", "validation"}
    assert data.notes == ("not read: 'test.csv.gz', 'validation_mismatched.parquet'",)


def test_a_split_in_several_files_is_refused_rather_than_left_out(tmp_path: Path) -> None:
    save(FRAME, tmp_path / "test.parquet")
    for shard in range(2):
        save(FRAME, tmp_path / f"train-0000{shard}-of-00002.parquet")
    with pytest.raises(InputError, match=r"'train-00000-of-00002\.parquet', .*join them into one file"):
        read(spec(tmp_path))


def test_rows_without_text_or_label_are_set_aside_and_counted(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a", None, "", "  ", "e"], "label": ["x", "x", "y", "y", None]})
    save(frame, tmp_path / "train.parquet")
    save(frame.assign(label=-1), tmp_path / "test.parquet")
    given = spec(tmp_path, "mine")
    data = read_splits(given, resolve_task(given))
    assert data.tables["train"].texts == (("a",),)
    assert data.notes == (
        "test: 3 of 5 rows without a text were set aside",
        "test: 2 of 5 rows without a label were set aside",
        "train: 3 of 5 rows without a text were set aside",
        "train: 1 of 5 rows without a label were set aside",
    )


def test_pairs_lose_the_rows_that_lack_either_text(tmp_path: Path) -> None:
    save(pd.DataFrame({"question1": ["a", "b"], "question2": ["", "c"], "label": [0, 1]}), tmp_path / "train.csv")
    assert read(spec(tmp_path, "qqp"))["train"].texts == (("b", "c"),)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_values_that_are_no_texts_are_refused_by_row(suffix: str, tmp_path: Path) -> None:
    for values, what in ([["a"], ["b", "c"]], "a list"), ([7, 8], "7"), ([True, False], "True"):
        save(pd.DataFrame({"sentence": values, "label": [0, 1]}), tmp_path / f"train{suffix}")
        with pytest.raises(InputError, match=rf"(row|line) 1, column 'sentence': holds {what}"):
            read(spec(tmp_path))


def test_a_directory_that_is_none_is_not_taken_for_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(FRAME, tmp_path / "train.csv")
    for name in ("./data/sst2", "../sst2", "~/sst2", "data/", "data/x.csv", "sst2", str(tmp_path / "x")):
        with pytest.raises(InputError, match="there is no directory or file"):
            check_data(spec(Path(name)).model_copy(update={"data": name}), TASKS["sst2"])
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"notes\.txt is not a file of \.parquet, \.csv"):
        check_data(spec(tmp_path / "notes.txt"), TASKS["sst2"])
    check_data(spec(tmp_path / "train.csv"), TASKS["sst2"])
    check_data(spec(Path("owner/name")), TASKS["sst2"])


def test_verification_data_are_read_as_the_data_are_or_refused_by_their_name(tmp_path: Path) -> None:
    save(FRAME, tmp_path / "d" / "train.csv")
    save(FRAME.assign(sentence=["h", "i", "j", "k"]), tmp_path / "more.csv")
    asked = spec(tmp_path / "d", verification_data=str(tmp_path / "more.csv"))
    assert read(asked)["verification"].texts == (("h",), ("i",), ("j",), ("k",))
    save(FRAME.rename(columns={"label": "kind"}), tmp_path / "other.csv")
    with pytest.raises(InputError, match=r"label_column: no column 'label' in .*other\.csv"):
        read(asked.model_copy(update={"verification_data": str(tmp_path / "other.csv")}))
    for wrong, why in (("nowhere.csv", "does not exist"), ("d", "is no file of a known kind")):
        with pytest.raises(InputError, match=f"verification_data: .*{why}"):
            check_more(asked.model_copy(update={"verification_data": str(tmp_path / wrong)}))
