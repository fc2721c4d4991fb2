from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from optimizer.errors import InputError
from optimizer.spec import StudySpec
from optimizer.tasks.texts.data import Data, read_splits
from optimizer.tasks.texts.known import resolve_task
from optimizer.tasks.tokens.reader import TagReader

WORDS = [["Ada", "met", "Bob"], ["in", "Paris"]]
TAGS = [["B-per", "O", "B-per"], ["O", "B-loc"]]
CONLL = "-DOCSTART- -X- O\n\nAda NNP B-per\nmet VBD O\nBob NNP B-per\n\nin IN O\nParis NNP B-loc\n"


def read(place: Path, **more: object) -> Data:
    spec = StudySpec.model_validate({"model": "m", "task": "mine", "epsilon": 0.1, "data": str(place), **more})
    return read_splits(spec, resolve_task(spec))


def save(
    place: Path, words: list[Any] = WORDS, tags: list[Any] = TAGS, columns: tuple[str, str] = ("tokens", "tags")
) -> Path:
    frame = pd.DataFrame(dict(zip(columns, (words, tags), strict=True)))
    frame.to_json(place / "test.jsonl", orient="records", lines=True)
    return place


def save_conll(place: Path, text: str = CONLL) -> Path:
    (place / "test.conll").write_text(text)
    return place


def test_lists_of_words_and_conll_files_read_the_same(tmp_path: Path) -> None:
    frame = pd.DataFrame({"words": WORDS, "ner_tags": TAGS})
    for place in (folder(tmp_path, "a"), folder(tmp_path, "b"), folder(tmp_path, "c"), folder(tmp_path, "d")):
        {
            "a": lambda place=place: save(place),
            "b": lambda place=place: save_conll(place),
            "c": lambda place=place: frame.to_parquet(place / "test.parquet"),
            "d": lambda place=place: save_conll(place, CONLL.replace(" ", "\t").replace("\n", "\r\n")),
        }[place.name]()
        data = read(place)
        assert (data.source.kind, data.source.metric) == ("token classification", "entity-f1")
        table = data.tables["test"]
        assert table.texts == (("Ada", "met", "Bob"), ("in", "Paris"))
        assert table.names == ("B-loc", "B-per", "O")
        assert table.labels.tolist() == [[1, 2, 1], [2, 0, -100]]


def folder(root: Path, name: str) -> Path:
    (root / name).mkdir()
    return root / name


def test_ids_take_the_names_that_the_datasets_library_wrote_beside_them(tmp_path: Path) -> None:
    save_ids(tmp_path, "test", ["O", "B-per", "B-loc"])
    assert read(tmp_path).tables["test"].names == ("O", "B-per", "B-loc")


def test_ids_that_are_spelled_like_other_names_stay_ids(tmp_path: Path) -> None:
    save_ids(tmp_path, "test", ["2", "1", "0"])
    table = read(tmp_path, metric="tag-accuracy").tables["test"]
    assert (table.names, table.labels.tolist()) == (("2", "1", "0"), [[1, 0, 1], [0, 2, -100]])


def test_splits_whose_files_name_ids_differently_are_refused(tmp_path: Path) -> None:
    save_ids(tmp_path, "train", ["O", "B-per", "B-loc"])
    save_ids(tmp_path, "test", ["O", "B-loc", "B-per"])
    with pytest.raises(InputError, match=r"column 'ner_tags': .*train.parquet names .*name the ids alike"):
        read(tmp_path)


def save_ids(place: Path, split: str, names: list[str]) -> None:
    """Save ids of tags with their names, as the datasets library does."""
    feature = {"feature": {"names": names, "_type": "ClassLabel"}}
    described = json.dumps({"info": {"features": {"ner_tags": feature}}}).encode()
    table = pa.table({"tokens": WORDS, "ner_tags": [[1, 0, 1], [0, 2]]})
    parquet.write_table(table.replace_schema_metadata({b"huggingface": described}), place / f"{split}.parquet")


def test_rows_without_words_or_tags_are_set_aside(tmp_path: Path) -> None:
    data = read(save(tmp_path, [*WORDS, [], ["x"]], [*TAGS, [], None]))
    assert len(data.tables["test"]) == 2
    assert [note.split(": ")[1] for note in data.notes] == [
        "1 of 4 rows without a text were set aside",
        "1 of 4 rows without a label were set aside",
    ]


@pytest.mark.parametrize(
    ("words", "tags", "named"),
    [
        (WORDS, [["B-per"], ["O", "O"]], r"tags: .*line 1, column 'tags': 1 tags for 3 words"),
        (WORDS, [["B-per", "O", ""], ["O", "O"]], "line 1, column 'tags': '' is not a tag"),
        (WORDS, [["O", 1, "O"], ["O", "O"]], "line 1, column 'tags': the column holds names and ids"),
        (WORDS, ["B-per O B-per", "O O"], "line 1, column 'tags': holds 'B-per O B-per', not a list of tags"),
        (WORDS, [["O", "O", "O"], [1, 0]], "line 2, column 'tags': the column holds names and ids"),
        (WORDS, [[0, 10**9, 0], [0, 0]], "column 'tags': id 1000000000, but at most 100,000 labels are read; count"),
        ([["a", " "], ["b"]], [["O", "O"], ["O"]], "line 1, column 'tokens': ' ' is not a word"),
        (WORDS, [[0, -1, 0], [0, 0]], "line 1, column 'tags': -1 is not a tag"),
    ],
)
def test_what_is_not_words_with_their_tags_is_refused_with_its_place(
    words: list[Any], tags: list[Any], named: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=named.removeprefix("tags: ")):
        read(save(tmp_path, words, tags))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Ada B-per\nmet\n", "line 2: needs a word and its tag, got 'met'"),
        ("a O\nb x O\n", "line 2: has 3 fields, line 1 has 2"),
    ],
)
def test_conll_lines_without_a_tag_are_refused(text: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=named):
        read(save_conll(tmp_path, text))


def test_splits_must_spell_tags_alike(tmp_path: Path) -> None:
    save(tmp_path)
    pd.DataFrame({"tokens": WORDS, "tags": [[1, 0, 1], [0, 2]]}).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(InputError, match=r"train.parquet has ids.*use one of them"):
        read(tmp_path)


def test_tags_that_mark_no_entities_need_another_metric() -> None:
    with pytest.raises(InputError, match=r"'NOUN'.* choose tag-accuracy as `metric`"):
        TagReader().task("entity-f1", {0: "NOUN", 1: "VERB"})
    assert TagReader().task("tag-accuracy", {0: "NOUN", 1: "VERB"}).metric.name == "tag-accuracy"
