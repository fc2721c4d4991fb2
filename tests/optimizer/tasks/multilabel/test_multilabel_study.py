from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from sklearn.metrics import f1_score
from tiny_checkpoints import sentences, tokenizer
from trained_tasks import SHORT, Finished, check_front, export_smallest, study, train
from transformers import BertForSequenceClassification

from api.cli.render import print_result
from objectives.metrics.multilabel import MULTILABEL
from optimizer import open_front, optimize
from optimizer.door.served import ServedModel
from optimizer.errors import InputError
from optimizer.spec import StudySpec
from optimizer.tasks.multilabel.labelling import Labelling
from optimizer.tasks.multilabel.reader import LabelsReader
from optimizer.tasks.texts.data import Data, read_splits
from optimizer.tasks.texts.examples import Encoder
from optimizer.tasks.texts.known import resolve_task
from optimizer.tasks.texts.table import Table

NAMES = ("animals", "food", "sports")
SIZES = {"train": 300, "validation": 140, "test": 150}


def labels_of(text: str) -> list[int]:
    """Return the labels of a text, which are those of any of its words: five words tell of each."""
    ids = [int(word[1:]) for word in text.split()]
    return [int(any(5 * label <= i < 5 * label + 5 for i in ids)) for label in range(len(NAMES))]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    root = tmp_path_factory.mktemp("labels")
    (root / "data").mkdir()
    for seed, (split, n) in enumerate(SIZES.items()):
        texts = sentences(n, seed)
        named = [[NAMES[i] for i, applies in enumerate(labels_of(text)) if applies] for text in texts]
        pd.DataFrame({"text": texts, "labels": named}).to_parquet(root / "data" / f"{split}.parquet")
    texts = sentences(SIZES["train"], 0)
    table = Table(tuple((text,) for text in texts), np.array(list(map(labels_of, texts))), NAMES)
    encoder = Encoder(tokenizer=tokenizer(), max_length=32)
    examples = LabelsReader().examples(table, "train", encoder, dict(enumerate(NAMES)))
    task = Labelling(MULTILABEL["micro-f1"])
    problem = {"problem_type": "multi_label_classification"}
    train(BertForSequenceClassification, examples, task, root / "model", NAMES, **problem)
    store, result = study(root, epsilon=0.1)
    return root, store, result


def test_a_front_of_labellers_is_verified_and_smaller(finished: Finished) -> None:
    _, _, result = finished
    trivial = Labelling(MULTILABEL["micro-f1"]).trivial(np.array(list(map(labels_of, sentences(140, 1)))))
    check_front(result, "micro-f1", trivial=trivial, examples=SIZES["test"])


def test_an_exported_labeller_has_the_f1_that_was_verified(finished: Finished, tmp_path: Path) -> None:
    verified, model, encode, card = export_smallest(finished, tmp_path / "out")
    assert model.config.problem_type == "multi_label_classification"
    texts = sentences(SIZES["test"], 2)
    with torch.inference_mode():
        logits = model(**encode(texts, padding=True, return_tensors="pt", return_token_type_ids=False)).logits
    wanted, given = np.array(list(map(labels_of, texts))), (logits.sigmoid() > 0.5).numpy()
    assert f1_score(wanted, given, average="micro") == pytest.approx(verified)
    member = min(finished[2].front, key=lambda member: member.flops_ratio)
    assert member.verification is not None
    by_label = {view.label: view for view in member.verification.labels}
    assert [view.f1 for view in by_label.values()] == pytest.approx(f1_score(wanted, given, average=None))
    assert [view.n for view in by_label.values()] == wanted.sum(axis=0).tolist()
    assert all(view.interval[0] <= view.drop <= view.interval[1] for view in by_label.values())
    food = by_label["food"]
    assert f"| food | {food.n} | {food.dense_f1:.4f} | {food.f1:.4f} |" in card


def test_the_knee_is_shown_with_the_f1_of_its_labels(finished: Finished) -> None:
    _, _, result = finished
    console = Console(width=120, file=StringIO())
    print_result(result, console, resume="resume")
    assert "F1 of animals (n = " in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_front_in_python_lists_labels(finished: Finished, tmp_path: Path) -> None:
    root, store, _ = finished
    small = next(iter(open_front("small", store=store, cache_dir=root / "cache")))
    texts = sentences(SIZES["test"], 2)
    found = [[int(name in listed) for name in NAMES] for listed in small.model.predict(texts)]
    assert small.verification is not None
    assert f1_score(list(map(labels_of, texts)), found, average="micro") == pytest.approx(small.verification.accuracy)
    small.export(tmp_path / "out")
    served = ServedModel(tmp_path / "out").predict(texts)
    assert served == small.model.predict(texts)


def test_a_function_of_labels_is_a_metric(finished: Finished) -> None:
    root, store, _ = finished

    def micro(predictions: Any, labels: Any) -> float:
        return float(2 * (labels * predictions).sum() / max(labels.sum() + predictions.sum(), 1))

    kept: dict[str, Any] = {"store": store, "cache_dir": root / "cache"}
    optimize(root / "model", root / "data", metric=micro, study="own", **kept, **SHORT)
    member = next(iter(open_front("own", metric=micro, **kept)))  # the study names the model, which has several labels
    texts = sentences(SIZES["test"], 2)
    found = [[int(name in listed) for name in NAMES] for listed in member.model.predict(texts)]
    micro_f1 = f1_score(list(map(labels_of, texts)), found, average="micro")
    assert member.verification.accuracy == pytest.approx(micro_f1)


def test_the_share_of_texts_that_are_all_right_can_be_certified(
    finished: Finished,
) -> None:
    root, _, _ = finished
    _, result = study(root, "subset", epsilon=0.1, metric="subset-accuracy", trials=4)
    assert result.metric == "subset-accuracy"
    checked = [member.verification for member in result.front if member.verification]
    assert checked
    assert all(verification.upper_95 is not None for verification in checked)


def test_one_class_per_text_is_another_kind_of_model(finished: Finished, tmp_path: Path) -> None:
    root, _, _ = finished
    frame = pd.DataFrame({"text": sentences(100, seed=0), "label": ["animals", "food"] * 50})
    frame.to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(InputError, match=r"answers with several labels per text .* needs classes"):
        study(root, "other", epsilon=0.1, data=str(tmp_path))


def read(place: Path, labels: list[Any], **more: object) -> Data:
    pd.DataFrame({"text": sentences(len(labels), seed=0), "labels": labels}).to_json(
        place / "test.jsonl", orient="records", lines=True
    )
    spec = StudySpec.model_validate({"model": "m", "task": "mine", "epsilon": 0.1, "data": str(place), **more})
    return read_splits(spec, resolve_task(spec))


def test_lists_are_read_as_written_and_an_empty_one_is_an_answer(tmp_path: Path) -> None:
    data = read(tmp_path, [["b", "a"], [], None, ["c"]])
    assert data.source.kind == "multi-label classification"
    assert data.tables["test"].names == ("a", "b", "c")
    assert data.tables["test"].labels.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert data.notes == ("test: 1 of 4 rows without a label were set aside",)
    assert read(tmp_path, [["01"], ["10"]]).tables["test"].names == ("01", "10")
    assert read(tmp_path, [[2], [0, 1]]).tables["test"].labels.tolist() == [[0, 0, 1], [1, 1, 0]]


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ([["a", "a"]], "line 1, column 'labels': a label occurs twice"),
        ([[0.5]], "line 1, column 'labels': 0.5 is not a label"),
        ([["a"], "b"], "line 2, column 'labels': holds 'b', not a list of labels"),
        ([["a", 1]], "line 1, column 'labels': the column holds names and ids"),
        ([["01"], ["1"]], "labels '01' and '1' are the same number; spell it in one way"),
        ([["a"], [1]], "line 2, column 'labels': the column holds names and ids"),
        ([[], []], "no text has a label"),
    ],
)
def test_what_is_no_list_of_labels_is_refused(labels: list[Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=named):
        read(tmp_path, labels)
