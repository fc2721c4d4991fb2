"""Pruned models as scikit-learn estimators: its own checks, pipelines, searches."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from door_studies import QUICK
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, ShuffleSplit, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator
from torch import nn

from optimizer import PrunedClassifier, PrunedRegressor
from optimizer.errors import InputError

OPTIONS = {name: value for name, value in QUICK.items() if name not in ("epsilon", "trials", "progress")}
OF_TABLES = "fits a table of numbers; this estimator takes texts or images, and a trained model"
EXPECTED = (
    "check_fit_score_takes_y", "check_estimators_overwrite_params", "check_dont_overwrite_parameters",
    "check_estimators_fit_returns_self", "check_readonly_memmap_input", "check_positive_only_tag_during_fit",
    "check_estimators_dtypes", "check_pipeline_consistency", "check_estimator_sparse_tag",
    "check_estimator_sparse_array", "check_estimator_sparse_matrix", "check_estimators_pickle",
    "check_f_contiguous_array_estimator", "check_classifier_data_not_an_array", "check_classifiers_one_label",
    "check_classifiers_classes", "check_classifiers_train", "check_regressors_train",
    "check_regressor_data_not_an_array", "check_regressors_no_decision_function", "check_regressors_int",
    "check_methods_sample_order_invariance", "check_methods_subset_invariance", "check_fit2d_1sample",
    "check_fit2d_1feature", "check_dict_unchanged", "check_fit_idempotent", "check_fit_check_is_fitted",
)  # fmt: skip


def of_tables(estimator: type) -> Any:
    """The estimator with a tag that makes scikit-learn run its checks of tables as well."""

    class Tabled(estimator):  # type: ignore[misc]
        def __sklearn_tags__(self) -> Any:
            tags = super().__sklearn_tags__()
            tags.input_tags.two_d_array = True
            return tags

    Tabled.__name__ = estimator.__name__
    return Tabled()


@pytest.mark.parametrize("estimator", [PrunedClassifier, PrunedRegressor])
def test_scikit_learns_own_checks_pass_but_for_those_of_tables(estimator: type) -> None:
    results = check_estimator(
        of_tables(estimator), expected_failed_checks=dict.fromkeys(EXPECTED, OF_TABLES), on_skip=None, on_fail=None
    )
    states = {each["check_name"]: each["status"] for each in results}
    assert not [name for name, state in states.items() if state == "failed"]
    passed = {name for name, state in states.items() if state == "passed"}
    assert {
        "check_estimator_cloneable", "check_no_attributes_set_in_init", "check_get_params_invariance",
        "check_set_params", "check_estimators_unfitted", "check_parameters_default_constructible",
        "check_estimator_repr", "check_mixin_order", "check_valid_tag_types",
    } <= passed  # fmt: skip


@pytest.fixture(scope="module")
def fitted(place: Path, frame: pd.DataFrame) -> PrunedClassifier:
    estimator = PrunedClassifier(str(place / "model"), epsilon=0.3, trials=2, choice="knee", options=OPTIONS)
    return estimator.fit(frame["sentence"], frame["label"])


def test_a_fitted_classifier_answers_with_the_labels_it_was_fitted_on(
    fitted: PrunedClassifier, frame: pd.DataFrame
) -> None:
    texts, labels = frame["sentence"].tolist(), frame["label"].to_numpy()
    assert fitted.classes_.tolist() == ["blue", "green", "red"]
    answers = fitted.predict(texts)
    assert fitted.score(texts, labels) == pytest.approx(float(np.mean(answers == labels)))
    assert fitted.score(texts, labels) > 0.5
    chances = fitted.predict_proba(texts)
    assert (fitted.classes_[chances.argmax(axis=1)] == answers).all()
    assert answers.tolist() == fitted.member_.model.predict(texts)
    kept = pickle.loads(pickle.dumps(fitted))
    assert (kept.predict(texts) == answers).all()
    assert not hasattr(kept, "front_")


def test_what_is_not_fitted_does_not_answer(place: Path) -> None:
    with pytest.raises(InputError, match="options: 'epsilon' is a parameter of the estimator"):
        PrunedClassifier(place / "model", options={"epsilon": 0.1}).fit(["w1", "w2"], [0, 1])
    for estimator in (PrunedClassifier(str(place / "model")), PrunedRegressor(str(place / "model"))):
        with pytest.raises(NotFittedError):
            estimator.predict(["w1"])
    with pytest.raises(InputError, match="choice: must be 'best' or 'knee'"):
        PrunedClassifier(str(place / "model"), choice="first").fit(["w1"] * 40, ["red"] * 40)
    with pytest.raises(InputError, match="model: is required"):
        PrunedClassifier().fit(["w1"] * 40, ["red"] * 40)
    for estimator in (PrunedClassifier(str(place / "model")), PrunedRegressor(str(place / "model"))):
        with pytest.raises(InputError, match="y: row 2 has no label, 1 rows in all"):
            estimator.fit(["w1"] * 3, [1.0, float("nan"), 2.0])
    with pytest.raises(InputError, match="y: row 3 has no label"):
        PrunedClassifier(str(place / "model")).fit(["w1"] * 3, ["red", "blue", float("nan")])
    with pytest.raises(InputError, match=r"y: must be one label per row, got shape \(2, 2\)"):
        PrunedClassifier(str(place / "model")).fit(["w1"] * 2, [[0, 1], [1, 0]])
    with pytest.raises(InputError, match="data has 3 columns; give that of the texts, or two of pairs"):
        PrunedClassifier(str(place / "model")).fit(np.full((2, 3), "w1", dtype=object), ["red", "blue"])
    with pytest.raises(InputError, match="y: has labels that are texts and labels that are not"):
        PrunedClassifier(str(place / "model")).fit(["w1"] * 3, ["red", "blue", 3])


def test_it_stands_in_pipelines_and_searches(fitted: PrunedClassifier, loaded: Any, frame: pd.DataFrame) -> None:
    texts, labels = frame["sentence"].to_numpy(dtype=object), frame["label"].to_numpy()
    own = clone(fitted).set_params(model=loaded, epsilon=0.9)
    piped = Pipeline([("strip", FunctionTransformer(np.vectorize(str.strip, otypes=[object]))), ("pruned", own)])
    once = ShuffleSplit(1, test_size=0.3, random_state=0)
    search = GridSearchCV(piped, {"pruned__epsilon": [0.9]}, cv=once, refit=False, error_score="raise")
    assert 0.2 < search.fit(texts, labels).best_score_ <= 1
    chosen = make_pipeline(make_column_transformer(("passthrough", ["sentence"])), own)  # texts (n, 1) of a table
    assert cross_val_score(chosen, frame, frame[["label"]], cv=once, error_score="raise")[0] > 0.2


def test_images_are_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(160, 1, 4, 4)).astype(np.float32)
    labels = np.where(images[:, 0, :2].sum(axis=(1, 2)) > 0, 7, 3)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 2))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        adam = torch.optim.Adam(network.parameters(), lr=0.02)
        for _ in range(60):
            answer = network(torch.from_numpy(images))
            loss = nn.functional.cross_entropy(answer, torch.from_numpy((labels == 7).astype(np.int64)))
            adam.zero_grad()
            loss.backward()
            adam.step()
    options = {**OPTIONS, "calibration_examples": 32, "round_to": 1}
    fitted = PrunedClassifier(network, epsilon=0.3, trials=2, choice="knee", options=options).fit(images, labels)
    assert fitted.classes_.tolist() == [3, 7]
    assert fitted.score(images, labels) > 0.7
    assert sum(p.numel() for p in fitted.model_.parameters()) < sum(p.numel() for p in network.parameters())
