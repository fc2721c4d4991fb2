from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from read_answers import scores
from tiny_checkpoints import sentences, tokenizer
from tiny_encoders import tiny
from trained_tasks import SHORT, Finished, check_front, export_smallest, study, train
from transformers import BertForQuestionAnswering

from objectives.metrics.answers import ANSWERS
from optimizer import open_front, optimize
from optimizer.door.served import ServedModel
from optimizer.errors import InputError
from optimizer.tasks.questions.answering import Answering
from optimizer.tasks.questions.examples import question_examples
from optimizer.tasks.questions.reader import AnswerReader
from optimizer.tasks.questions.references import padded
from optimizer.tasks.texts.examples import Encoder
from optimizer.tasks.texts.table import Table

SIZES = {"train": 200, "validation": 100, "test": 110}
Asked = dict[str, Any]


def asked(n: int, seed: int) -> list[Asked]:
    """Return questions "w0" and "w1" for the one or two words of w2 to w10, or of w11 to w19, if there are any."""
    rng, rows = np.random.default_rng(seed), []
    for _ in range(n):
        kind, parts, runs = int(rng.integers(2)), [f"w{i}" for i in rng.integers(20, 40, rng.integers(3, 8))], {}
        for first in (0, 1):
            if first != kind or rng.random() < 0.8:
                runs[first] = " ".join(f"w{i}" for i in rng.integers(2 + 9 * first, 11 + 9 * first, rng.integers(1, 3)))
                parts.insert(int(rng.integers(len(parts) + 1)), runs[first])
        context = " ".join(parts)
        texts = [runs[kind]] if kind in runs else []
        starts = [context.index(text) for text in texts]
        rows.append({"question": f"w{kind}", "context": context, "answers": {"text": texts, "answer_start": starts}})
    return rows


def as_squad(rows: list[Asked]) -> str:
    """Return rows in SQuAD's layout, a paragraph each."""
    paragraphs = []
    for row in rows:
        pairs = zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
        answers = [{"text": text, "answer_start": start} for text, start in pairs]
        qas = [{"question": row["question"], "id": "", "answers": answers, "is_impossible": not answers}]
        paragraphs.append({"context": row["context"], "qas": qas})
    return json.dumps({"version": "v2.0", "data": [{"title": "", "paragraphs": paragraphs}]})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    root = tmp_path_factory.mktemp("questions")
    (root / "data").mkdir()
    rows = {split: asked(n, seed) for seed, (split, n) in enumerate(SIZES.items())}
    (root / "data" / "train-v2.0.json").write_text(as_squad(rows["train"]))
    pd.DataFrame(rows["validation"]).to_parquet(root / "data" / "validation.parquet")
    pd.DataFrame(rows["test"]).to_json(root / "data" / "test.jsonl", orient="records", lines=True)
    spans = [[(s, s + len(t)) for t, s in zip(*row["answers"].values(), strict=True)] for row in rows["train"]]
    table = Table(tuple((row["question"], row["context"]) for row in rows["train"]), padded(spans), (), (0, 1))
    examples = AnswerReader().examples(table, "train", Encoder(tokenizer=tokenizer(), max_length=32), {})
    train(BertForQuestionAnswering, examples, Answering(), root / "model", ("LABEL_0", "LABEL_1"))
    store, result = study(root, epsilon=0.1, trials=4)
    return root, store, result


def test_a_front_of_readers_is_verified_and_can_be_certified(finished: Finished) -> None:
    _, _, result = finished
    check_front(result, "exact-match", trivial=0.2, examples=SIZES["test"])
    assert all(member.verification and member.verification.upper_95 is not None for member in result.front)


def test_an_exported_reader_has_the_figure_that_was_verified(finished: Finished, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    place = tmp_path / "out"
    verified, model, encode, card = export_smallest(finished, place, as_onnx=True)
    assert "question-answering" in card
    assert "AutoModelForQuestionAnswering.from_pretrained" in card
    rows = asked(SIZES["test"], 2)
    right = [scores(row["answers"]["text"], found(model, encode, row))[0] for row in rows]
    assert np.mean(right) == pytest.approx(verified)
    pairs = [(row["question"], row["context"]) for row in rows]
    assert ServedModel(place).predict(pairs) == [found(model, encode, row) for row in rows]
    given = encode(*zip(*pairs, strict=True), padding=True, return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        wanted = model(**given)
    (got,) = onnxruntime.InferenceSession(place / "model.onnx").run(None, {k: v.numpy() for k, v in given.items()})
    np.testing.assert_allclose(got, np.stack([wanted.start_logits, wanted.end_logits], axis=-1), atol=1e-4)


def found(model: Any, encode: Any, row: Asked) -> str:
    """Answer a question as its words are one token each: the best of all spans, "" if none is better than none."""
    inputs = encode(row["question"], row["context"], return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        answer = model(**inputs)
    words = row["context"].split()
    first, last = answer.start_logits[0].tolist(), answer.end_logits[0].tolist()
    spans = [(first[3 + i] + last[3 + j], i, j) for i in range(len(words)) for j in range(i, len(words))]
    score, i, j = max(spans)
    return "" if first[0] + last[0] > score else " ".join(words[i : j + 1])


def test_the_front_in_python_answers_questions(finished: Finished) -> None:
    root, store, _ = finished
    small = next(iter(open_front("small", store=store, cache_dir=root / "cache")))
    rows = asked(SIZES["test"], 2)
    answers = small.model.predict([(row["question"], row["context"]) for row in rows])
    right = [scores(row["answers"]["text"], text)[0] for row, text in zip(rows, answers, strict=True)]
    assert small.verification is not None
    assert np.mean(right) == pytest.approx(small.verification.accuracy)
    assert small.model([("w0", "w3 w20")]).shape == (1, 6, 2)
    with pytest.raises(InputError, match="must be pairs of question and context"):
        small.model.predict(["w0"])


def test_a_function_of_answers_is_a_metric(finished: Finished) -> None:
    root, _, _ = finished

    score = cache(lambda right, text: scores(right, text)[1])  # a bootstrap asks for the same pairs again and again

    def f1(predictions: Any, labels: Any) -> Any:
        return np.mean([score(right, text) for right, text in zip(labels, predictions, strict=True)])

    member = next(iter(optimize(root / "model", root / "data", metric=f1, **SHORT)))
    rows = asked(SIZES["test"], 2)
    answers = member.model.predict([(row["question"], row["context"]) for row in rows])
    right = [scores(row["answers"]["text"], text)[1] for row, text in zip(rows, answers, strict=True)]
    assert member.verification.accuracy == pytest.approx(np.mean(right))
    assert member.verification.upper_95 is None  # nothing is known of a function's size


def test_a_reader_is_refused_for_whole_texts(finished: Finished, tmp_path: Path) -> None:
    root, _, _ = finished
    pd.DataFrame({"text": sentences(100, seed=0), "label": ["x", "y"] * 50}).to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(InputError, match=r"BertForQuestionAnswering, whose head .* give data for question answering"):
        study(root, "other", epsilon=0.1, data=str(tmp_path), calibration_examples=16)


def test_an_architecture_without_such_a_head_is_named(finished: Finished, tmp_path: Path) -> None:
    root, _, _ = finished
    tiny("eurobert").base_model.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="model: transformers has no eurobert ForQuestionAnswering; give"):
        study(root, "other", epsilon=0.1, model=str(tmp_path))


def test_long_contexts_are_read_in_windows_that_overlap() -> None:
    words = [f"w{i}" for i in range(40)]
    context = " ".join(words)
    start = context.index("w20 w21")
    table = Table((("w1", context), ("w2 " * 30, "w3")), padded([[(start, start + 7)], []]), ())
    encoder = Encoder(tokenizer=tokenizer(), max_length=24)
    examples = question_examples(encoder, table, "search", may_refuse=True)
    assert examples.cut == 1  # the long question
    assert examples.inputs_each == 3
    assert examples.labels.tolist() == [("w20 w21",), ()]
    read = [[words[i] for i in row[3:-1] - 4] for row in examples.token_ids[:3]]
    assert [(row[0], row[-1]) for row in read] == [("w0", "w19"), ("w12", "w31"), ("w24", "w39")]
    assert examples.windows.labels.tolist() == [[0, 0], [11, 12], [0, 0], [0, 0]]
    answers = np.where(examples.answered, 0.0, np.nan).astype(np.float32)[..., None].repeat(2, axis=3)
    answers[0, 0, 0] = 9  # nothing in the first window
    answers[0, 1, 11, 0] = answers[0, 1, 12, 1] = 2  # the answer in the second
    answers[1, 0, 0] = 1
    task = Answering()
    assert task.predictions(answers, examples).tolist() == ["w20 w21", ""]
    always = question_examples(encoder, table, "search", may_refuse=False)
    assert task.predictions(answers, always).tolist() == ["w20 w21", "w3"]
    assert task.predictions(answers[[1]], examples.subset([1])).tolist() == [""]
    assert len(question_examples(encoder, Table((), padded([]), ()), "train", may_refuse=True)) == 0
    with pytest.raises(InputError, match="max_length: 12 tokens are too few for a question and its context"):
        question_examples(Encoder(tokenizer=tokenizer(), max_length=12), table, "search", may_refuse=True)


def test_the_loss_is_that_of_transformers_and_contrasts_ignore_what_a_softmax_does(finished: Finished) -> None:
    root, _, _ = finished
    model = BertForQuestionAnswering.from_pretrained(root / "model").eval()
    rows = [row for row in asked(20, 5) if row["answers"]["text"]]
    spans = [[(s, s + len(t)) for t, s in zip(*row["answers"].values(), strict=True)] for row in rows]
    table = Table(tuple((row["question"], row["context"]) for row in rows), padded(spans), ())
    examples = question_examples(Encoder(tokenizer=tokenizer(), max_length=32), table, "train", may_refuse=True)
    (batch,) = examples.batches(batch_size=len(examples))
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    far = 60 * torch.ones_like(batch["input_ids"])  # the question's and the padding's logits, which transformers counts
    far[:, 0] = 0
    for row, (_, context) in enumerate(table.texts[i] for i in np.argsort(examples.lengths, kind="stable")):
        far[row, 3 : 3 + len(context.split())] = 0
    first, last = batch["labels"].unbind(dim=1)
    answer = model(**inputs)
    outputs = torch.stack([answer.start_logits - far, answer.end_logits - far], dim=-1)
    cross = torch.nn.functional.cross_entropy
    wanted = (cross(outputs[..., 0], first) + cross(outputs[..., 1], last)) / 2
    task = Answering(ANSWERS["answer-f1"])
    torch.testing.assert_close(task.loss(outputs, batch, reduction="mean"), wanted)
    torch.testing.assert_close(task.contrasts(outputs + 3, batch), task.contrasts(outputs, batch))
    assert task.distance(outputs, outputs + 3, batch).item() == pytest.approx(0, abs=1e-6)
    answers = task.answers(outputs, batch).detach().numpy()
    assert task.divergence(answers, answers) == 0
    assert task.divergence(answers, answers / 2) > 0
