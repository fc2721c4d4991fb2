"""`optimize` in Python: names, directories and loaded objects give the same study; what cannot be taken is refused."""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from command_line import run_here
from datasets import Dataset, DatasetDict
from door_studies import QUICK
from sklearn.metrics import recall_score
from torch import nn

from optimizer import CancelledError, Event, Front, StudySpec, open_front, optimize, resume
from optimizer.door.data import taken_data
from optimizer.errors import InputError, UnknownNameError
from studies.opening import open_store
from studies.records import StudyState


def figures(front: Front) -> list[tuple[Any, ...]]:
    """What a study found, without what depends on the clock."""
    members = front.result.front
    return [(m.candidate, m.config, m.drop, m.flops, m.verification.drop if m.verification else None) for m in members]


def test_a_directory_and_a_file_give_a_front(front: Front) -> None:
    assert len(front)
    assert front.result.state == "complete"
    assert front.result.task == "train"


def test_tables_and_arrays_hold_the_same_data(frame: pd.DataFrame) -> None:
    texts, labels = frame["sentence"].tolist(), frame["label"].tolist()
    columns = {"text": texts, "label": labels}
    for data in (
        (texts, labels),
        {"train": (np.array(texts), pd.Series(labels))},
        columns,
        pd.DataFrame(columns),
        Dataset.from_dict(columns),
        DatasetDict({"train": Dataset.from_dict(columns)}),
        torch.utils.data.DataLoader(list(zip(texts, labels, strict=True)), batch_size=7),
        {"train": torch.utils.data.DataLoader(list(zip(texts, labels, strict=True)), batch_size=None)},
    ):
        sheets = taken_data(data, is_of_images=False).texts
        assert sheets is not None
        assert {name: list(sheets["train"].column(name, "data")) for name in sheets["train"].columns} == columns


def test_pairs_of_texts_are_two_columns_and_missing_values_are_missing() -> None:
    taken = taken_data({"test": ([("a", "b"), ("c", "d")], [0, 1])}, is_of_images=False)
    assert taken.fields == {"text_columns": ("text", "text_pair")}
    rows = pd.DataFrame({"text": ["a", None, pd.NA], "label": [1.0, float("nan"), 2.0]})
    sheets = taken_data(rows, is_of_images=False).texts
    assert sheets is not None
    assert sheets["train"].column("text", "data") == ["a", None, None]
    assert sheets["train"].column("label", "data") == [1.0, None, 2.0]


def test_loaded_objects_in_two_threads_give_the_front_of_their_files(
    front: Front, loaded: tuple[Any, Any], frame: pd.DataFrame
) -> None:
    before = copy.deepcopy(loaded[0].state_dict())
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda threads: optimize(loaded, frame, threads=threads, **QUICK), (1, 1)))
    assert [figures(each) for each in found] == [figures(front)] * 2
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, tensor in loaded[0].state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_stored_study_of_loaded_objects_goes_on_with_the_same_objects_only(
    loaded: tuple[Any, Any], frame: pd.DataFrame, tmp_path: Path
) -> None:
    url, cache = f"sqlite:///{tmp_path}/s.sqlite", tmp_path / "cache"
    found = optimize(loaded, frame, study="mine", store=url, cache_dir=cache, **{**QUICK, "trials": 2})
    assert found.result.model == "BertForSequenceClassification"
    kept: dict[str, Any] = {"store": url, "cache_dir": cache, "epsilon": 0.3, "progress": False}
    other = copy.deepcopy(loaded[0])
    nn.init.zeros_(other.classifier.bias)
    with pytest.raises(InputError, match="weights changed since"):
        resume("mine", frame, model=(other, loaded[1]), **kept)
    with pytest.raises(InputError, match=r"calibration.* changed since"):
        resume("mine", frame.iloc[:200], model=loaded, **kept)
    assert resume("mine", frame, model=loaded, **kept).epsilon == 0.3
    exported = run_here(["--storage", url, "export", "mine", "0", "small"], environment={}, directory=tmp_path)
    assert exported.returncode == 2
    assert "'mine' ran on data and model given in Python; give the same there again" in " ".join(
        exported.stderr.split()
    )


def test_a_spec_holds_all_fields(place: Path) -> None:
    spec = StudySpec(model=str(place / "model"), task="own", data=str(place / "data"), epsilon=0.2)
    for more in ({"trials": 3}, {"model": "bert-base"}, {"data": "sst2"}):
        with pytest.raises(InputError, match="spec: a StudySpec holds all fields"):
            optimize(spec, **more)


def test_a_stored_study_of_other_names_is_not_taken_for_these(front: Front, place: Path) -> None:
    kept: dict[str, Any] = {"store": front._kept.home.store, "cache_dir": front._kept.home.cache_dir}
    name = front.result.study
    again = open_front(name, place / "data" / "train.csv", model=place / "model", **kept)
    assert figures(again) == figures(front)
    with pytest.raises(InputError, match=r"data: .* has '.*train\.csv', not '.*data'; leave it out"):
        open_front(name, place / "data", **kept)
    with pytest.raises(InputError, match=r"model: .* has '.*model', not 'bert-base'; leave it out"):
        resume(name, model="bert-base", **kept)


def test_a_function_is_a_metric(front: Front, loaded: tuple[Any, Any], frame: pd.DataFrame, tmp_path: Path) -> None:
    def right(predictions: Any, labels: Any) -> Any:
        return predictions == labels

    def share(predictions: Any, labels: Any, other: float) -> float:
        return float(np.mean(predictions == labels)) + other

    raced = optimize(loaded, frame, metric=right, **QUICK)
    assert raced.result.metric == "right"
    assert figures(raced) == figures(front)
    kept: dict[str, Any] = {"store": f"sqlite:///{tmp_path}/s.sqlite", "cache_dir": tmp_path / "cache"}
    own = partial(share, other=0.0)
    whole = optimize(loaded, frame, metric=own, study="own", **kept, **{**QUICK, "trials": 1})
    assert whole.result.metric == "share"
    assert all(member.drop_interval for member in whole)
    with pytest.raises(InputError, match="metric: 'own' is judged by share, not by accuracy; give the same"):
        resume("own", frame, model=loaded, epsilon=0.5, **kept)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (
            lambda given, labels: float("nan"),
            r"metric: own metric is nan on these \d+ predictions; return a finite number",
        ),
        (lambda given, labels: given[:2], r"must return one number, or one per example, got int64 of shape \(2,\)"),
        (lambda given: 1.0, r"cannot be called with arrays \(predictions, labels\): TypeError"),
        (lambda given, labels: given != labels, "is 0.000 for right answers .* a number that is higher for better"),
        (recall_score, "metric: recall_score refuses the [0-9]+ predictions: Target is multiclass"),
        (lambda given, labels: {"accuracy": 1.0}, "must return one number, or one per example, got a dict"),
        (3, "must be a name or a function, got an int"),
        ("accuracies", "metric: .* 'accuracy'"),
    ],
)
def test_what_is_no_metric_is_refused(loaded: tuple[Any, Any], frame: pd.DataFrame, metric: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        optimize(loaded, frame, metric=metric, **QUICK)


@pytest.mark.parametrize(
    ("model", "data", "fields", "message"),
    [
        ("loaded", {"train": []}, {}, "is empty: data has no rows"),
        ("loaded", 5, {}, "data: cannot be an int; give a name, a directory, a file, a DataFrame"),
        ("loaded", (["a", "b"], [1]), {}, "data: data has 2 inputs for 1 labels"),
        ("loaded", (["a b"] * 40, [1] * 39 + ["x"]), {}, "row 40, column 'label': 'x' and 1 are of different kinds"),
        ("loaded", (["a b"] * 39 + [3], ["red"] * 40), {}, "data, row 40, column 'text': holds 3"),
        ("loaded", {"all": (["a"], ["red"])}, {}, "has no split train, validation or test; it has 'all'"),
        ("loaded", None, {}, "data: is required, or a task that brings its own"),
        ("model alone", (["a"], ["red"]), {}, "Classification reads tokens; give it with its tokenizer"),
        (None, (["a"], ["red"]), {}, "model: is required"),
        (7, (["a"], ["red"]), {}, "model: cannot be an int"),
        ("loaded", "frame", {"trial": 3}, "argument: unknown name 'trial'; did you mean 'trials'"),
        ("loaded", {"text": ["a", "b"], "label": [1]}, {}, r"different lengths: {'text': 2, 'label': 1}"),
        ("loaded", "frame", {"store": 3}, "store: must be a store or its URL"),
        ("loaded", "frame", {"sampler": 3}, "sampler: must be a name or a function of a Problem, got an int"),
        ("loaded", "frame", {"trials": 0}, "trials: .*greater than or equal to 1, got 0"),
        ("loaded", "frame", {"model": "x"}, "model: is given twice"),
        ("loaded", "frame", {"limits": {"size": 0.5}}, "limits: unknown name 'size'; did you mean 'size_ratio'"),
        ("loaded", "frame", {"text_columns": "review"}, "text_columns: no column 'review' in data"),
        ("loaded", {"a b": ["w1"], "label": [1]}, {}, "called 'sentence' or 'text'; give `text_columns`, from 'a b'"),
        ("loaded", "nowhere.csv", {}, "data: there is no directory or file nowhere.csv"),
        ("loaded", "frame", {"images": 3}, "images: stand in place of data; give one of them"),
        ("network", "frame", {}, r"holds no images; give arrays \(X, y\)"),
        ("network", (np.zeros((40, 8)), np.zeros(40, int)), {}, r"shape \(n, c, h, w\) or \(n, h, w\), got \(40, 8\)"),
        ("network", (np.zeros((40, 8, 8)), np.zeros(40)), {}, "one whole number per image"),
        ("network", (np.zeros((40, 8, 8)), np.arange(40) % 2 + 1), {}, "has the label 2, the network has 2 outputs"),
        ("network", (np.zeros((40, 8, 8)), np.arange(40) % 2), {"text_columns": "a"}, "text_columns: are of texts"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_refused_with_a_remedy(
    loaded: tuple[Any, Any], frame: pd.DataFrame, model: Any, data: Any, fields: dict[str, Any], message: str
) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    known = {"loaded": loaded, "model alone": loaded[0], "network": network}
    taken = known.get(model, model) if isinstance(model, str) else model
    asked = {**QUICK, **fields}
    with pytest.raises((InputError, UnknownNameError), match=message):
        optimize(taken, frame if data == "frame" else data, **asked)


def test_a_study_tells_what_it_does_and_stops_when_it_is_told_to(
    loaded: tuple[Any, Any], frame: pd.DataFrame, tmp_path: Path
) -> None:
    cancel, events = threading.Event(), list[Event]()

    def note(event: Event) -> None:
        events.append(event)
        if event.candidate is not None:
            cancel.set()

    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    with pytest.raises(CancelledError):
        optimize(loaded, frame, store=store, study="mine", on_event=note, cancel=cancel, **QUICK)
    assert {"bank", "search"} <= {event.stage for event in events}
    assert store.study("mine").state is StudyState.CANCELLED
    assert len(store.candidates(store.study("mine").id)) == 1
