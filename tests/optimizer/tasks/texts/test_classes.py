from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optimizer.errors import InputError
from optimizer.tasks.texts.classes import class_ids, class_names, label_column, scores
from optimizer.tasks.texts.known import TASKS, Source
from optimizer.tasks.texts.sheet import sheet_of

OWN = Source(name="mine", text_columns=("text",), label_column="label", metric="accuracy")


def read(values: list[Any], source: Source = OWN) -> tuple[tuple[str, ...], list[int]]:
    column = label_column(sheet_of("train", {"label": values}), TASKS[source.name] if source.is_known else source)
    names = class_names(source, {"train": column})
    return names, class_ids(column, names).tolist()


def test_numbers_are_ids_by_value_however_they_are_typed() -> None:
    ids = [0, 10, 2, 11, 1, 3, 4, 5, 6, 7, 8, 9]
    names = tuple(map(str, range(12)))
    for values in (ids, list(map(str, ids)), list(map(float, ids)), [f"{i}.0" for i in ids]):
        assert read(values) == (names, ids)


def test_names_are_classes_exactly_as_written() -> None:
    assert read(["None", "N/A", "null", "C", "C#", "C++"]) == (
        ("C", "C#", "C++", "N/A", "None", "null"),
        [4, 3, 5, 0, 1, 2],
    )
    assert read(["[PAD]", "[ x"]) == (("[ x", "[PAD]"), [1, 0])
    assert read(["负面", "正面"]) == (("正面", "负面"), [1, 0])
    assert read([True, False]) == (("false", "true"), [1, 0])
    assert read(["1", "one"]) == (("1", "one"), [0, 1])
    assert read(["10", "02", "01"]) == (("01", "02", "10"), [2, 1, 0])
    assert read(["1e3", "1e2", "1e400"]) == (("1e2", "1e3", "1e400"), [1, 0, 2])


@pytest.mark.parametrize("minus", [-1, "-1", -1.0, "-1.0"])
def test_minus_one_is_unlabelled_in_known_tasks_and_in_splits_that_hold_nothing_else(minus: object) -> None:
    assert read([minus, 1, 0] if not isinstance(minus, str) else [minus, "1", "0"], TASKS["sst2"])[1] == [-1, 1, 0]
    column = label_column(sheet_of("test", {"label": [minus, minus]}), OWN)
    assert column.labels == [None, None]
    column = label_column(sheet_of("test", {"label": [minus, minus]}), TASKS["stsb"])
    assert np.isnan(scores(column)).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, -1, 0], r"train, row 2, column 'label': label -1: leave the label empty"),
        ([1, -2, 0], r"row 2.*label -2; known are 0"),
        ([0, 2.5], r"row 2.*label 2.5 is not a whole number.*spearman or pearson"),
        (["0", "0.5"], r"row 2.*label 0.5 is not a whole number"),
        (["1", "01"], r"labels '01' and '1' are the same number"),
        (["100", "1e2"], r"labels '100' and '1e2' are the same number"),
        ([1, "1"], r"row 2.*'1' and 1 are of different kinds"),
        ([["a", "b"], ["a"]], r"row 1.*for several labels choose micro-f1"),
        (["b", "['a', 'b']"], r"row 2.*a list written as text; give parquet or jsonl with lists"),
        (["[]", "[1]"], r"row 1.*a list written as text"),
        ([{"a": 1}], r"row 1.*for several labels choose micro-f1"),
        ([b"a"], r"row 1.*neither a number nor a name"),
        ([float("inf")], r"row 1.*neither a number nor a name"),
        ([10**9], r"row 1.*known are 0 to 99999"),
    ],
)
def test_labels_that_can_be_read_in_two_ways_are_refused_by_row(values: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(values)


def test_one_based_labels_of_a_known_task_are_named() -> None:
    with pytest.raises(InputError, match=r"row 2.*label 2; known are 0 to 1, counted from 0"):
        read([1, 2], TASKS["sst2"])


def test_long_lists_of_labels_are_shortened() -> None:
    with pytest.raises(InputError, match=r"and 491 more are not those of sst2"):
        read([f"c{i:03}" for i in range(501)], TASKS["sst2"])


def test_scores_are_finite_numbers() -> None:
    assert scores(label_column(sheet_of("train", {"label": ["3.2", None, "-1"]}), OWN))[[0, 2]].tolist() == [3.2, -1.0]
    for value in ("high", "nan", "1e999"):
        with pytest.raises(InputError, match=r"row 2.*a number is needed"):
            scores(label_column(sheet_of("train", {"label": ["1", value]}), OWN))


def test_splits_that_spell_their_classes_differently_are_refused() -> None:
    for train, test in ((["ham", "spam"], ["0", "1"]), (["True", "False"], [True, False])):
        columns = {
            split: label_column(sheet_of(split, {"label": labels}), OWN)
            for split, labels in (("train", train), ("test", test))
        }
        with pytest.raises(InputError, match=r"train has labels .* test has .*; name the classes alike in both"):
            class_names(OWN, columns)
