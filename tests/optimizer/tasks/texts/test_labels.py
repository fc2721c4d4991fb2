from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_checkpoints import save_tiny, sentences

from objectives.metrics import METRICS
from optimizer.errors import InputError
from optimizer.families.encoders.load import load_workload
from optimizer.spec import StudySpec
from optimizer.tasks.baseline import check_baseline, check_labels
from optimizer.tasks.classification import Classification
from optimizer.tasks.regression import Regression
from optimizer.tasks.texts.labels import check_permutation, label_map, order_note

MNLI = ("entailment", "neutral", "contradiction")


def test_permuted_names_are_mapped_by_name() -> None:
    model = {0: "CONTRADICTION", 1: "Entailment", 2: "neutral"}
    assert label_map(MNLI, model).tolist() == [1, 2, 0]
    assert label_map(("not_equivalent", "equivalent"), {0: "equivalent", 1: "not equivalent"}).tolist() == [1, 0]


@pytest.mark.parametrize("model", [{0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}, {0: "label0", 1: "label1", 2: "label2"}])
def test_checkpoints_without_names_map_by_number(model: dict[int, str]) -> None:
    assert label_map(MNLI, model).tolist() == [0, 1, 2]
    assert label_map(("0", "1"), {0: "negative", 1: "positive"}).tolist() == [0, 1]


def test_names_that_differ_in_punctuation_or_script_never_merge() -> None:
    names = ("C", "C#", "C++", "Python")
    assert label_map(names, dict(enumerate(names))).tolist() == [0, 1, 2, 3]
    assert label_map(("正面", "负面"), {0: "负面", 1: "正面"}).tolist() == [1, 0]
    assert label_map(("no", "No"), {0: "No", 1: "no"}).tolist() == [1, 0]
    for data, model in [(("C++", "Python"), ("C", "Python")), (("A-", "A"), ("A", "B")), (("no", "No"), ("NO", "x"))]:
        with pytest.raises(InputError, match="are not those the model knows"):
            label_map(data, dict(enumerate(model)))


def test_ids_with_names_map_by_name_or_else_by_id_and_say_so() -> None:
    names = ("negative", "positive")
    assert label_map(names, {0: "POSITIVE", 1: "NEGATIVE"}, are_ids=True).tolist() == [1, 0]
    for other in ({0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}, {0: "bad", 1: "good"}):
        assert label_map(names, other, are_ids=True).tolist() == [0, 1]
    assert order_note(names, {0: "bad", 1: "good"}) == (
        "labels are matched by their ids: the data name them 'negative', 'positive', the checkpoint 'bad', 'good'",
    )
    with pytest.raises(InputError, match="are not those the model knows"):
        label_map(names, {0: "bad", 1: "good"})


@given(st.lists(st.text(min_size=1, max_size=4), min_size=2, max_size=6, unique=True), st.randoms())
def test_names_that_are_the_models_own_are_always_found(names: list[str], random: Random) -> None:
    shuffled = random.sample(names, len(names))
    mapped = label_map(names, dict(enumerate(shuffled)))
    assert [shuffled[i] for i in mapped] == names


def test_numbers_map_by_value_or_by_the_models_names() -> None:
    twelve = tuple(map(str, range(12)))
    assert label_map(twelve, {i: f"LABEL_{i}" for i in range(12)}).tolist() == list(range(12))
    stars = {i: str(i + 1) for i in range(5)}
    assert label_map(("0", "1", "2", "3", "4", "5"), stars, present=[1, 3, 5]).tolist() == [-1, 0, -1, 2, -1, 4]
    with pytest.raises(InputError, match=r"labels are 1 to 5, the model's 0 to 4; subtract 1"):
        label_map(("0", "1", "2", "3", "4", "5"), {i: f"LABEL_{i}" for i in range(5)}, present=[1, 2, 3, 4, 5])


def test_codes_map_by_name_and_numbers_to_the_codes_they_were() -> None:
    assert label_map(("01", "02"), {0: "02", 1: "01"}).tolist() == [1, 0]
    assert label_map(("0", "1", "2"), {0: "01", 1: "02"}, present=[1, 2]).tolist() == [-1, 0, 1]
    assert label_map(("0", "1", "2"), {0: "02", 1: "2", 2: "0"}, present=[0, 2]).tolist() == [2, -1, 1]


def test_the_order_of_names_counts_only_where_the_model_has_none_and_is_said() -> None:
    unnamed = {0: "LABEL_0", 1: "LABEL_1"}
    assert label_map(("ham", "spam"), unnamed).tolist() == [0, 1]
    assert order_note(("ham", "spam"), unnamed) == (
        "the checkpoint does not name its labels; they are taken to be 'ham', 'spam', in this order",
    )
    assert not order_note(("0", "1"), unnamed)
    assert not order_note(("ham", "spam"), {0: "spam", 1: "ham"})
    with pytest.raises(InputError, match="are not those the model knows"):
        label_map(("ham", "spam"), {**unnamed, 2: "LABEL_2"})


def test_long_lists_of_labels_are_shortened() -> None:
    with pytest.raises(InputError, match=r"has 2 labels, the data have 501: .* and 491 more") as caught:
        label_map([f"class {i}" for i in range(501)], {0: "a", 1: "b"})
    assert len(str(caught.value)) < 250


def test_permutations_of_many_classes_are_found() -> None:
    labels = np.arange(400) % 20
    with pytest.raises(InputError, match=r"permuted.*'c0 → c1'.*and 10 more it would be 1\.000"):
        check_permutation((labels + 1) % 20, labels, {i: f"c{i}" for i in range(20)})


@pytest.mark.parametrize("metric", ["f1", "matthews"])
def test_a_rare_class_is_judged_by_the_studys_own_metric(metric: str) -> None:
    labels = np.array([0] * 99 + [1])
    predictions = np.array([0] * 97 + [1, 1, 1])
    check_baseline(Classification(METRICS[metric]), predictions, labels, {0: "a", 1: "b"})
    with pytest.raises(InputError, match="same answer"):
        check_baseline(Classification(METRICS[metric]), np.zeros(100, dtype=int), labels, {0: "a", 1: "b"})


def test_unknown_labels_and_too_few_outputs_are_refused_with_both_lists() -> None:
    with pytest.raises(InputError, match=r"'happy', 'sad' .*'negative', 'positive'"):
        label_map(("happy", "sad"), {0: "negative", 1: "positive"})
    with pytest.raises(InputError, match="has 2 labels, the data have 3"):
        label_map(MNLI, {0: "a", 1: "b"})


def test_a_permutation_that_fits_much_better_is_named() -> None:
    labels = np.tile([0, 1, 2], 50)
    predictions = (labels + 1) % 3
    with pytest.raises(InputError, match=r"permuted.*would be 1\.000"):
        check_permutation(predictions, labels, dict(enumerate(MNLI)))
    check_permutation(labels, labels, dict(enumerate(MNLI)))


def test_a_model_no_better_than_the_majority_is_refused() -> None:
    labels = np.array([0] * 60 + [1] * 40)
    with pytest.raises(InputError, match=r"no better than always giving the same answer \(0\.600\): accuracy 0\.600"):
        check_baseline(Classification(), np.zeros(100, dtype=int), labels, {0: "a", 1: "b"})
    with pytest.raises(InputError, match="give more training examples, or a model trained for this task"):
        check_baseline(Classification(), np.zeros(100, dtype=int), labels, None)
    check_baseline(Classification(), np.where(np.arange(100) < 95, labels, 1 - labels), labels, {0: "a", 1: "b"})


def test_a_regression_no_better_than_a_constant_is_refused() -> None:
    labels = np.linspace(0, 5, 50)
    with pytest.raises(InputError, match=r"pearson -1\.000"):
        check_baseline(Regression(), -labels, labels, {})
    check_baseline(Regression(), labels + 1, labels, {})


@pytest.mark.parametrize("metric", ["f1", "matthews", "pearson", "spearman"])
def test_labels_that_are_all_alike_are_refused_where_the_metric_tells_nothing_on_them(metric: str) -> None:
    for alike in (np.zeros(20), np.zeros(1), np.ones(20)):
        task = Regression(METRICS[metric]) if metric in ("pearson", "spearman") else Classification(METRICS[metric])
        labels = alike if isinstance(task, Regression) else alike.astype(int)
        remedy = "more examples" if isinstance(task, Regression) else "or choose accuracy"
        with pytest.raises(
            InputError, match=rf"{metric} cannot be computed on the {len(labels)} verification examples.*{remedy}$"
        ):
            check_labels(task, labels, "verification")
        check_labels(Classification(), labels, "verification")
    check_labels(task, np.arange(20) % 2, "verification")


def test_a_study_by_f1_is_refused_before_it_begins_where_verification_has_one_class(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "model", labels=("no", "yes"))
    for split, labels in (("validation", ["no", "yes"] * 40), ("test", ["no"] * 40)):
        texts = sentences(len(labels), seed=len(labels))
        rows = [json.dumps({"sentence": text, "label": label}) for text, label in zip(texts, labels, strict=True)]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(rows))
    spec = StudySpec(model=str(model), task="rare", data=str(tmp_path), metric="f1", epsilon=0.1)
    with pytest.raises(InputError, match=r"metric: f1 cannot be computed on the 40 verification examples"):
        load_workload(spec, cache_dir=tmp_path, progress=lambda *_: None)
