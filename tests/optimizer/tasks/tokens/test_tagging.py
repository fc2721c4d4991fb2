from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from read_entities import f1
from tiny_checkpoints import sentences, tokenizer
from trained_tasks import SHORT, Finished, check_front, export_smallest, study, train
from transformers import BertForTokenClassification

from optimizer import open_front, optimize
from optimizer.door.served import ServedModel
from optimizer.errors import InputError
from optimizer.tasks.texts.examples import Encoder
from optimizer.tasks.texts.table import Table
from optimizer.tasks.tokens.reader import TagReader

TAGS = ("O", "B-a", "I-a", "B-b", "I-b")
SIZES = {"train": 300, "validation": 120, "test": 130}


def tagged(n: int, seed: int) -> tuple[list[list[str]], list[list[str]]]:
    """Return sentences in which w0 to w7 are of type a and w8 to w15 of type b, more than one in a row one entity."""
    rng, words, tags = np.random.default_rng(seed), [], []
    for _ in range(n):
        ids = rng.integers(0, 40, rng.integers(3, 9))
        kinds = ["a" if i < 8 else "b" if i < 16 else "" for i in ids]
        before = ["", *kinds]
        words.append([f"w{i}" for i in ids])
        tags.append([f"{'I' if k == before[i] else 'B'}-{k}" if k else "O" for i, k in enumerate(kinds)])
    return words, tags


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    root = tmp_path_factory.mktemp("tags")
    (root / "data").mkdir()
    for seed, (split, n) in enumerate(SIZES.items()):
        words, tags = tagged(n, seed)
        pd.DataFrame({"tokens": words, "ner_tags": tags}).to_parquet(root / "data" / f"{split}.parquet")
    words, tags = tagged(SIZES["train"], 0)
    labels = np.full((len(tags), 8), -100)
    for row, some in enumerate(tags):
        labels[row, : len(some)] = [TAGS.index(tag) for tag in some]
    names = dict(enumerate(TAGS))
    examples = TagReader().examples(
        Table(tuple(map(tuple, words)), labels, TAGS), "train", Encoder(tokenizer=tokenizer(), max_length=32), names
    )
    train(BertForTokenClassification, examples, TagReader().task("entity-f1", names), root / "model", TAGS)
    store, result = study(root, epsilon=0.1)
    return root, store, result


def test_a_front_of_taggers_is_verified_by_entities(finished: Finished) -> None:
    _, _, result = finished
    check_front(result, "entity-f1", trivial=0.1, examples=SIZES["test"])
    bounds = {member.verification and member.verification.upper_95 for member in result.front}
    assert bounds == {None}  # F1 counts entities, not sentences


def test_an_exported_tagger_has_the_f1_that_was_verified(finished: Finished, tmp_path: Path) -> None:
    verified, model, encode, card = export_smallest(finished, tmp_path / "out")
    assert "token-classification" in card
    assert "AutoModelForTokenClassification.from_pretrained" in card
    words, tags = tagged(SIZES["test"], 2)
    assert f1(tags, [predicted(model, encode, some) for some in words]) == pytest.approx(verified)


def test_the_front_in_python_tags_words(finished: Finished, tmp_path: Path) -> None:
    root, store, _ = finished
    small = next(iter(open_front("small", store=store, cache_dir=root / "cache")))
    words, tags = tagged(SIZES["test"], 2)
    assert small.verification is not None
    assert f1(tags, small.model.predict(words)) == pytest.approx(small.verification.accuracy)
    small.export(tmp_path / "out")
    served = ServedModel(tmp_path / "out").predict(words)
    assert served == small.model.predict(words)


def test_a_function_of_tags_is_a_metric(finished: Finished, tmp_path: Path) -> None:
    root, _, _ = finished

    def all_right(predictions: Any, labels: Any) -> Any:
        assert ((predictions == -100) == (labels == -100)).all()
        return (predictions == labels).all(axis=1)

    front = optimize(root / "model", root / "data", metric=all_right, **SHORT)
    member = next(iter(front))
    words, tags = tagged(SIZES["test"], 2)
    share = np.mean([found == some for found, some in zip(member.model.predict(words), tags, strict=True)])
    assert member.verification.accuracy == pytest.approx(share)
    member.export(tmp_path / "out")
    assert "AutoModelForTokenClassification.from_pretrained" in (tmp_path / "out" / "README.md").read_text()
    with pytest.raises(InputError, match=r"one per example, got bool of shape \(4, 2\) for 4 examples of shape"):
        optimize(root / "model", root / "data", metric=np.equal, **SHORT)


def predicted(model: Any, tokenizer: Any, words: list[str]) -> list[str]:
    """Tag one sentence whose words are one token each."""
    inputs = tokenizer(" ".join(words), return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        ids = model(**inputs).logits[0].argmax(dim=1).tolist()
    return [model.config.id2label[index] for index in ids[1:-1]]


def test_a_tagger_is_refused_for_whole_texts(finished: Finished, tmp_path: Path) -> None:
    root, _, _ = finished
    frame = pd.DataFrame({"text": sentences(100, seed=0), "label": ["x", "y"] * 50})
    frame.to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(InputError, match="BertForTokenClassification, whose head is not for classification"):
        study(root, "other", epsilon=0.1, data=str(tmp_path), calibration_examples=16)


def test_words_behind_the_cut_count_as_wrong_and_are_told(finished: Finished) -> None:
    table = Table((("w1", "w2", "w3"), ("w4",)), np.array([[1, 2, 0], [3, -100, -100]]), TAGS)
    encoder = Encoder(tokenizer=tokenizer(), max_length=4)
    names = dict(enumerate(TAGS))
    examples = TagReader().examples(table, "search", encoder, names)
    assert examples.cut == 1
    assert examples.places.tolist() == [[1, 2, -1], [1, -1, -1]]
    answers = np.full((2, 3, 5), np.nan, dtype=np.float32)
    answers[examples.answered] = [0, 0, 0, 0, 9]
    found = TagReader().task("entity-f1", names).predictions(answers, examples)
    assert found.tolist() == [[4, 4, 0], [4, -100, -100]]
