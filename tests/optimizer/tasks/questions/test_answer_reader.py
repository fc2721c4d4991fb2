from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest

from optimizer.door.data import taken_data
from optimizer.errors import InputError
from optimizer.spec import StudySpec
from optimizer.tasks.texts.data import Data, read_splits
from optimizer.tasks.texts.known import resolve_task
from optimizer.tasks.texts.sheet import Sheet

CONTEXT = "Ada was born in London, the old London, in 1815."
ROWS = [
    {"question": "Where?", "context": CONTEXT, "answers": {"text": ["London", "in London"], "answer_start": [16, 13]}},
    {"question": "Who else?", "context": CONTEXT, "answers": {"text": [], "answer_start": []}},
]
SPANS = [[[16, 22], [13, 22]], [[-1, -1], [-1, -1]]]


def read(place: Path | None, texts: dict[str, Sheet] | None = None, **more: object) -> Data:
    named = {} if place is None else {"data": str(place)}
    spec = StudySpec.model_validate({"model": "m", "task": "mine", "epsilon": 0.1, **named, **more})
    return read_splits(spec, resolve_task(spec, has_data=place is None), texts)


def squad(*questions: dict[str, Any]) -> dict[str, Any]:
    return {"version": "v2.0", "data": [{"title": "Ada", "paragraphs": [{"context": CONTEXT, "qas": list(questions)}]}]}


ASKED = (
    {"id": "1", "question": "Where?", "is_impossible": False}
    | {"answers": [{"text": "London", "answer_start": 16}, {"text": "in London", "answer_start": 13}]},
    {"id": "2", "question": "Who else?", "is_impossible": True, "answers": [], "plausible_answers": []},
)


def test_every_layout_reads_the_same(tmp_path: Path) -> None:
    frame, table = pd.DataFrame(ROWS), datasets.Dataset.from_list(ROWS)
    lines = frame.to_json(orient="records", lines=True)
    for name in ("parquet", "lines", "json", "arrow", "squad"):
        (tmp_path / name).mkdir()
    frame.to_parquet(tmp_path / "parquet" / "test.parquet")
    (tmp_path / "lines" / "test.jsonl").write_text(lines)
    (tmp_path / "json" / "test.json").write_text(lines)
    datasets.DatasetDict(test=table).save_to_disk(tmp_path / "arrow")
    (tmp_path / "squad" / "dev-v2.0.json").write_text(json.dumps(squad(*ASKED), indent=1))
    found = [read(place) for place in sorted(tmp_path.iterdir())]
    found += [read(None, taken_data(given, is_of_images=False).texts) for given in (frame, table)]
    for data in found:
        assert (data.source.kind, data.source.metric) == ("question answering", "exact-match")
        (split,) = data.tables.values()
        assert split.texts == (("Where?", CONTEXT), ("Who else?", CONTEXT))
        assert split.labels.tolist() == SPANS
        assert split.present == (0, 1)


def test_columns_of_other_names_are_named_and_rows_without_answers_set_aside(tmp_path: Path) -> None:
    rows = [*ROWS[:1], {**ROWS[0], "question": "Unknown?", "answers": None}, {**ROWS[0], "question": " "}]
    frame = pd.DataFrame(rows).rename(columns={"question": "q", "context": "c", "answers": "a"})
    frame.to_json(tmp_path / "test.jsonl", orient="records", lines=True)
    data = read(tmp_path, text_columns=("q", "c"), label_column="a")
    assert data.tables["test"].present == (0,)
    assert [note.removeprefix("test: ") for note in data.notes] == [
        "1 of 3 rows without a text were set aside",
        "1 of 3 rows without a label were set aside",
    ]
    with pytest.raises(InputError, match="text_columns: name the columns of question and context, in this order"):
        read(tmp_path, text_columns=("c",), label_column="a")


@pytest.mark.parametrize(
    ("answers", "named"),
    [
        ({"text": ["London"], "answer_start": [17]}, "'London' is not at character 17 of its context, but at 16"),
        ({"text": ["Paris"], "answer_start": [0]}, "'Paris' is not at character 0 of its context, nor anywhere else"),
        ({"text": ["London"], "answer_start": [-33]}, "'London' is not at character -33"),
        ({"text": ["London"], "answer_start": []}, r"write answers as \{\"text\": \[\"Rome\"\]"),
        ({"text": "London", "answer_start": 16}, r"write answers as"),
        ({"text": ["London"]}, r"write answers as"),
        ({"text": [" "], "answer_start": [3]}, "answer ' ' is not a text"),
        ({"text": ["London"], "answer_start": ["16"]}, "answer_start '16' is not a whole number"),
        (["London"], r"holds \['London'\]; write answers as"),
    ],
)
def test_what_is_no_answer_in_the_context_is_refused_with_its_place(answers: Any, named: str, tmp_path: Path) -> None:
    lines = [json.dumps(ROWS[0]), json.dumps({**ROWS[0], "answers": answers})]
    (tmp_path / "test.jsonl").write_text("\n".join(lines))
    with pytest.raises(InputError, match=rf"test.jsonl, line 2, column 'answers': .*{named}"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (
            squad({**ASKED[0], "is_impossible": True}),
            "article 1, paragraph 1, question 1: is_impossible is true and it has",
        ),
        (squad(ASKED[1], {**ASKED[1], "is_impossible": False}), "question 2: is_impossible is false and it has none"),
        (
            squad({**ASKED[0], "answers": [{"text": "Rome", "answer_start": 0}]}),
            "test.json, article 1, paragraph 1, question 1, column 'answers': 'Rome' is not at character 0",
        ),
        (
            {"data": [{"title": "Ada"}]},
            "test.json, article 1: 'paragraphs' must be a list of objects; SQuAD's layout is",
        ),
        ({"data": "here"}, "test.json: 'data' must be a list of objects"),
        (ROWS, "test.json: is neither of SQuAD's layout nor an object per line"),
    ],
)
def test_what_is_not_of_squads_layout_is_refused_with_its_place(content: Any, named: str, tmp_path: Path) -> None:
    (tmp_path / "test.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=named):
        read(tmp_path)
