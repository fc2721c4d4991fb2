"""The front in Python: its members, their models and exports, choices, filters, pictures."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from optimizer import Front, load_pruned
from optimizer.door.home import Kept
from optimizer.errors import InputError, NothingFeasibleError, UnknownNameError
from optimizer.views.member import FrontResult, Member
from studies.records import Verdict


def test_a_table_has_a_row_per_member_with_its_fields_as_columns(front: Front) -> None:
    table = front.table()
    assert set(Member.model_fields) - {"verification"} <= set(table.columns)
    assert table["candidate"].tolist() == [member.candidate for member in front]
    assert table["verdict"].tolist() == [member.verdict.value for member in front]
    assert table["flops_ratio"].tolist() == [member.flops_ratio for member in front]


def test_members_are_found_by_their_number(front: Front) -> None:
    first = next(iter(front))
    assert front[first.candidate].member == first.member
    with pytest.raises(KeyError, match=r"candidate 99 is not on the front; its members are \d"):
        front[99]


def test_a_member_answers_texts_like_the_model_that_it_exports(
    front: Front, frame: pd.DataFrame, tmp_path: Path
) -> None:
    small, texts = front.knee(), frame["sentence"].tolist()[:40]
    assert isinstance(small.model, nn.Module)
    assert "knee" in str(small.reason)
    with torch.inference_mode():
        logits = small.model(texts)
    assert small.model.predict(texts) == [small.model.names[int(i)] for i in logits.argmax(dim=1)]
    assert small.model.predict_proba(texts).sum(axis=1) == pytest.approx([1.0] * 40)
    assert sum(p.numel() for p in small.model.net.parameters()) == small.parameters
    small.export(tmp_path / "small")
    exported = load_pruned(tmp_path / "small")
    encoded = small.model.tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        assert torch.allclose(exported(**encoded).logits, logits, atol=1e-5)
    with pytest.raises(UnknownNameError, match="format: unknown name 'pickle'"):
        small.export(tmp_path / "other", format="pickle")


def test_what_chooses_a_member_is_checked(front: Front) -> None:
    for limit in (float("nan"), 0, "half"):
        with pytest.raises(InputError, match="max_flops_ratio: must be a number above 0"):
            front.best(max_flops_ratio=limit)
    with pytest.raises(InputError, match=r"epsilon: must be a number in \[0, 1\), got 'a'"):
        front.refilter("a")
    with pytest.raises(InputError, match="rule: weights leaves out what was given for lexicographic"):
        front.recommend(weights={"drop": 1}, order=("flops",))


def test_texts_are_taken_as_they_are_or_refused(front: Front) -> None:
    model = front.knee().model
    long = "w1 w2 " * 20
    assert model.predict(long) == model.predict([long])
    assert model.predict([]) == []
    assert model.predict_proba([]).shape == (0, 3)
    for rows in ([None], ["w1", float("nan")], [["w1", "w2", "w3"]], [5], np.zeros((2, 2))):
        with pytest.raises(InputError, match="texts: must be strings, or pairs of strings, got "):
            model.predict(rows)
    for rows in ([("w1", "w2"), "w1"], ["w1", ("w1", "w2")]):
        with pytest.raises(InputError, match="texts: must all be strings, or all be pairs"):
            model.predict(rows)


def test_a_member_tells_why_its_model_cannot_be_built(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    small = copy.copy(front.knee())
    assert small.member == front.knee().member

    def broken(self: Kept, number: int) -> None:
        raise AttributeError(f"no weights of {number}")

    monkeypatch.setattr(Kept, "rebuild", broken)
    with pytest.raises(AttributeError, match=f"no weights of {small.candidate}"):
        _ = small.model
    with pytest.raises(AttributeError, match="no attribute 'flop_ratio'"):
        _ = small.flop_ratio


def test_training_a_member_leaves_the_others_as_they_are(front: Front) -> None:
    small = front.knee()
    texts = ["w1 w2 w3"]
    with torch.inference_mode():
        before = front.knee().model(texts)
        for parameter in small.model.parameters():
            parameter.add_(1.0)
        assert torch.equal(front.knee().model(texts), before)


def judged(front: Front, *verdicts: Verdict) -> Front:
    """The front with these verdicts, its first member copied for each."""
    first = next(iter(front)).member
    members = [
        first.model_copy(
            update={
                "candidate": number,
                "flops_ratio": 0.2 * (number + 1),
                "verification": first.verification.model_copy(update={"verdict": verdict, "drop": 0.1 - 0.01 * number}),
            }
        )
        for number, verdict in enumerate(verdicts)
        if first.verification is not None
    ]
    view: FrontResult = front.view.model_copy(update={"items": tuple(members)})
    return Front(front._kept, front.result, view)


def test_the_best_member_has_the_smallest_drop_among_the_certified_within_limits(front: Front) -> None:
    some = judged(front, Verdict.CERTIFIED, Verdict.CERTIFIED, Verdict.VERIFIED)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert some.best().candidate == 1
        assert some.best(max_flops_ratio=0.3).candidate == 0
    others = judged(front, Verdict.REFUTED, Verdict.VERIFIED)
    with pytest.warns(UserWarning, match="candidate 1 is verified only"):
        assert others.best().candidate == 1
    with pytest.raises(NothingFeasibleError, match=r"nearest is candidate 1 with flops_ratio 0\.4"):
        others.best(max_flops_ratio=0.1)
    with pytest.raises(NothingFeasibleError, match="no member of the front held its drop"):
        judged(front, Verdict.REFUTED).best()
    with pytest.raises(UnknownNameError, match="did you mean 'max_flops_ratio'"):
        some.best(max_flop_ratio=0.5)
    with pytest.raises(InputError, match="max_flops_ratio: must be a number above 0"):
        some.best(max_flops_ratio=0)


def test_a_front_is_filtered_and_recommended_from_again(front: Front) -> None:
    none = front.refilter(0.0)
    assert len(none) < len(front) or none.epsilon == 0
    assert front.refilter(0.5).epsilon == 0.5
    limited = front.refilter(max_flops_ratio=0.01)
    assert len(limited) == 0
    with pytest.raises(NothingFeasibleError, match="the front is empty"):
        limited.best()
    assert front.recommend(weights={"drop": 0.0, "flops": 1.0}).candidate == front.table()["candidate"].iloc[0]
    assert "lowest flops" in str(front.recommend(order=["flops"]).reason)
    for call in (lambda: front.refilter(2.0), lambda: front.refilter(objectives=["flop"])):
        with pytest.raises(InputError):
            call()


def test_a_front_shows_itself(front: Front) -> None:
    html = front._repr_html_()
    assert "<table" in html
    assert "flops_ratio" in html
    figure: Any = front.plot()
    assert sum(len(trace.x) for trace in figure.data) == len(front)
    assert f"{len(front)} members" in repr(front)
    assert repr(front.knee()).startswith("<candidate ")


def test_candidates_become_trials_with_their_constraint(front: Front, tmp_path: Path) -> None:
    import optuna

    url = f"sqlite:///{tmp_path}/optuna.db"
    front.to_optuna(url)
    study = optuna.load_study(study_name=front.result.study, storage=url)
    assert len(study.trials) == len(front.candidates)
    assert {trial.user_attrs["candidate"] for trial in study.best_trials} <= {m.candidate for m in front.candidates}
    for trial, member in zip(study.trials, front.candidates, strict=True):
        assert trial.params == member.config
        assert trial.values == [member.drop, member.flops_ratio]
        assert member.drop is not None
        assert trial.constraints["drop - epsilon"] == pytest.approx(member.drop - front.epsilon)
        assert trial.system_attrs["constraints"] == [trial.constraints["drop - epsilon"]]  # what optuna-dashboard reads
    assert study.metric_names == ["drop", "flops_ratio"]
    with pytest.raises(InputError, match=r"has a study .* already"):
        front.to_optuna(url)


def test_a_study_is_logged_to_mlflow(front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mlflow's own
        run = mlflow.MlflowClient(tracking_uri=uri).get_run(front.to_mlflow(uri))
        mlflow.set_tracking_uri(uri)
        served = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert run.data.params["model"] == front.result.model
    assert run.data.metrics["knee_flops_ratio"] == pytest.approx(front.knee().flops_ratio)
    texts = ["w1 w2", "w3"]
    assert served.predict(texts) == front.knee().model.predict(texts)
    assert served.predict(pd.DataFrame({"text": texts})) == front.knee().model.predict(texts)
    assert served.model_config == {"max_length": 128}  # the study's, which is less than the model reads


def test_mlflow_that_is_not_installed_is_named(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimizer.door.packages.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"mlflow: .*pip install 'pruning-optimizer\[mlflow\]'"):
        front.to_mlflow("sqlite://")
