"""Whole studies on tiny random models: real data files, real banks, real stores."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from tiny_checkpoints import save_data, save_tiny
from torch import nn

from optimizer.engine import engine_of
from optimizer.errors import InputError
from optimizer.evaluation.rivals import was_ruled_out
from optimizer.families.encoders.load import load_workload
from optimizer.fronts.fronts import front_of
from optimizer.pipeline import Pipeline
from optimizer.predict import predict
from optimizer.progress import Event
from optimizer.recovery.weights import WEIGHTS, build_candidate, weights_paths
from optimizer.run import optimize, resume
from optimizer.selection.certification import stored_list
from optimizer.spec import StudySpec
from optimizer.training.finetune import FinetuneSettings, TrainingResult, finetune
from optimizer.views.member import RunResult
from search_spaces.config import Form
from search_spaces.transforms.units.damping import mark_strained
from studies.opening import open_store
from studies.records import Candidate, CandidateState, Origin, Outcome, StudyState, Verdict
from studies.store import StudyExistsError, StudyLostError

SIZES = {"train": 300, "validation": 260, "test": 240}


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("assets")
    save_tiny(root / "model")
    save_data(root / "data", root / "model", SIZES)
    return root


def spec(assets: Path, **changes: object) -> StudySpec:
    fields = {
        "model": str(assets / "model"),
        "task": "colours",
        "data": str(assets / "data"),
        "epsilon": 0.2,
        "trials": 12,
        "batch_sizes": (1, 4),
        "measure_seconds": 0.02,
        "calibration_examples": 64,
        "threads": 1,
    }
    return StudySpec.model_validate({**fields, **changes})


@pytest.fixture(scope="module")
def finished(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult, list[Event]]:
    root = tmp_path_factory.mktemp("finished")
    events: list[Event] = []
    store = open_store(f"sqlite:///{root}/s.sqlite")
    result = optimize(spec(assets), store=store, cache_dir=root / "cache", study="first", listener=events.append)
    store.close()
    return root, result, events


def test_a_study_ends_with_a_verified_front(finished: tuple[Path, RunResult, list[Event]]) -> None:
    _, result, _ = finished
    assert result.state == "complete"
    assert result.candidates_evaluated == 12
    assert result.front
    assert 1 <= result.shortlist_size <= 12
    assert result.verification_uses == 1
    assert result.knee in {member.candidate for member in result.front}
    assert result.hypervolume is not None
    assert result.baseline is not None
    assert 240 <= result.baseline.n <= 260  # texts that stand in two splits were left out
    assert result.baseline.verification_n == 240
    assert result.baseline.config is not None
    assert {"search", "verify", "measure"} <= {stage.stage for stage in result.spent} <= set(result.seconds)
    assert [(stage.stage, part) for stage in result.spent for part in stage.parts if part.joules <= 0] == []
    assert all(units <= result.baseline.config[group] for m in result.front for group, units in m.config.items())
    for member in result.front:
        assert member.verification is not None
        assert member.verification.n == 240
        assert member.verification.verdict is not Verdict.UNVERIFIED
        assert [view.batch for view in member.latency] == [1, 4]
        assert member.latency[0].source == "measured"
        for view, dense in zip(member.latency, result.baseline.latency, strict=True):
            assert view.dense_seconds == pytest.approx(dense.seconds)  # one session: the same rounds
        assert member.energy_dense_j == pytest.approx(result.baseline.energy_j)
        assert member.energy_source in ("modelled", "rapl")
        assert member.flops < result.baseline.flops
        assert member.peak_memory_bytes is not None
        assert member.size_bytes < result.baseline.size_bytes
        assert member.accuracy is not None
        assert abs(member.accuracy - (result.baseline.accuracy - (member.drop or 0))) < 1e-9
    assert {"load", "bank", "sensitivity", "search", "verify", "measure"} <= set(result.seconds)


def test_the_listener_hears_every_candidate_and_the_power(finished: tuple[Path, RunResult, list[Event]]) -> None:
    _, _, events = finished
    numbers = [event.candidate.number for event in events if event.candidate is not None]
    assert numbers == list(range(12))
    assert any("can be certified" in event.text for event in events)


def test_a_bank_of_too_few_calibration_examples_is_said_by_every_study_that_uses_it(
    assets: Path, finished: tuple[Path, RunResult, list[Event]], tmp_path: Path
) -> None:
    root, _, _ = finished
    (bank,) = (root / "cache" / "banks").iterdir()
    cache = shutil.copytree(root / "cache", tmp_path / "cache")
    mark_strained(cache / "banks" / bank.name, "layer.1.heads", -1e-9 * torch.eye(3))
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    heard: list[Event] = []
    result = optimize(spec(assets, trials=2), store=store, cache_dir=cache, listener=heard.append)
    store.close()
    (note,) = [note for note in result.notes if "too few or too similar for 'layer.1.heads'" in note]
    assert note in [event.text for event in heard]


def test_a_complete_study_is_read_back_the_same_and_resuming_it_does_nothing(
    finished: tuple[Path, RunResult, list[Event]],
) -> None:
    root, result, _ = finished
    store = open_store(f"sqlite:///{root}/s.sqlite")
    assert resume("first", store=store, cache_dir=root / "cache") == result
    assert RunResult.model_validate_json(result.model_dump_json()) == result
    store.close()


def test_a_taken_name_is_refused_before_anything_is_loaded(
    assets: Path, finished: tuple[Path, RunResult, list[Event]]
) -> None:
    root, _, _ = finished
    store = open_store(f"sqlite:///{root}/s.sqlite")
    with pytest.raises(StudyExistsError, match="optimize resume first"):
        optimize(spec(assets), store=store, cache_dir=root / "cache", study="first")
    store.close()


def test_the_same_seed_gives_the_same_configs_and_another_study_reuses_the_bank(
    assets: Path, finished: tuple[Path, RunResult, list[Event]], tmp_path: Path
) -> None:
    root, _, _ = finished
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    banks = {path: path.stat().st_mtime_ns for path in (root / "cache" / "banks").rglob("*.order.*")}
    optimize(spec(assets), store=store, cache_dir=root / "cache", study="again")
    first = open_store(f"sqlite:///{root}/s.sqlite", read_only=True)
    configs = [
        [candidate.config for candidate in each.candidates(each.study(name).id)]
        for each, name in ((first, "first"), (store, "again"))
    ]
    assert configs[0] == configs[1]
    assert banks == {path: path.stat().st_mtime_ns for path in (root / "cache" / "banks").rglob("*.order.*")}
    first.close()
    store.close()


def test_a_worker_process_finds_what_this_process_does(
    assets: Path, finished: tuple[Path, RunResult, list[Event]], tmp_path: Path
) -> None:
    root, _, _ = finished
    store, first = (open_store(f"sqlite:///{place}/s.sqlite") for place in (tmp_path, root))

    def interrupt(event: Event) -> None:
        if event.stage == "verify":
            raise KeyboardInterrupt

    alone = engine_of("processes", workers=1)
    with pytest.raises(KeyboardInterrupt):
        optimize(spec(assets), store=store, cache_dir=root / "cache", study="s", listener=interrupt, engine=alone)
    outcomes = [
        [(c.config, c.outcome and replace(c.outcome, seconds=0)) for c in each.candidates(1)] for each in (first, store)
    ]
    assert outcomes[0] == outcomes[1]
    study, without = store.study("s"), first.study("first")
    assert study.spec == without.spec
    assert (study.context["workers"], without.context["workers"]) == (
        {"engine": "processes", "workers": 1, "threads": 1},
        {},
    )
    assert "worker processes on this machine, 1 at a time" in study.context["notes"][-1]
    assert not [*(root / "cache" / "parcels").iterdir()]
    with pytest.raises(InputError, match="workers: 1000 of 1 thread"):
        optimize(spec(assets), store=store, cache_dir=tmp_path, engine=engine_of(workers=1000))
    assert len(store.studies()) == 1
    store.close()
    first.close()


def test_a_larger_epsilon_finishes_what_was_stopped(assets: Path, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    optimize(spec(assets, epsilon=0.0, trials=15), store=store, cache_dir=tmp_path / "cache", study="narrow")
    study = store.study("narrow")
    before = store.candidates(study.id)
    undecided = front_of(study, before, epsilon=0.3).undecided
    assert undecided > 0
    first = stored_list(study)
    assert first is not None and first.members
    result = resume("narrow", store=store, cache_dir=tmp_path / "cache", epsilon=0.3)
    after = store.candidates(study.id)
    assert result.epsilon == 0.3
    widened = stored_list(store.study("narrow"))
    assert widened is not None
    assert (widened.epsilon, widened.members[: len(first.members)]) == (0.0, first.members)
    assert front_of(store.study("narrow"), after).undecided == 0
    assert [c.config for c in after[: len(before)]] == [c.config for c in before]
    finished = sum(c.state is CandidateState.COMPLETE for c in after[: len(before)])
    assert finished > sum(c.state is CandidateState.COMPLETE for c in before)
    with pytest.raises(InputError, match="epsilon: "):
        resume("narrow", store=store, cache_dir=tmp_path / "cache", epsilon=0.1)
    store.close()


@pytest.mark.parametrize("metric", ["f1", "matthews"])
def test_metrics_that_are_no_means_are_evaluated_whole_and_have_stored_bounds(
    metric: str, assets: Path, tmp_path: Path
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    result = optimize(spec(assets, metric=metric, trials=4, epsilon=0.3), store=store, cache_dir=tmp_path / "cache")
    assert result.metric == metric
    assert result.stopped_early.candidates == 0
    member = (result.front or result.least_violating)[0]
    assert member.verification is not None
    assert member.verification.interval[0] <= member.verification.interval[1]
    assert all(view.verification and view.verification.upper_95 is not None for view in result.front)
    assert member.verification.shrunken_drop is not None
    assert member.verification.drop <= (member.verification.upper_95 or 0) <= member.verification.interval[1]
    store.close()


def test_the_published_algorithm_runs_alone_and_slices(assets: Path, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    result = optimize(spec(assets, sampler="iterative", epsilon=0.2), store=store, cache_dir=tmp_path / "cache")
    candidates = store.candidates(1)
    assert {candidate.proposal.origin for candidate in candidates} == {Origin.ITERATIVE}
    assert {candidate.config.form for candidate in candidates} == {Form.SLICED}
    assert result.candidates_evaluated >= 2
    store.close()


def test_little_time_to_measure_still_takes_six_rounds(assets: Path, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    asked = spec(assets, trials=2, batch_sizes=(1,), measure_seconds=1e-6)
    optimize(asked, store=store, cache_dir=tmp_path / "cache")
    taken = [m for candidate in store.candidates(1) for m in candidate.measurements if m.quantity == "latency"]
    assert taken
    assert {m.n for m in taken} == {6}
    store.close()


def test_a_study_starts_from_another_s_outcomes_and_never_its_verdicts(
    assets: Path, finished: tuple[Path, RunResult, list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _, _ = finished
    store = open_store(f"sqlite:///{root}/s.sqlite")

    def start(**changes: object) -> RunResult:
        given = spec(assets, **{"start_from": "first", "epsilon": 0.1, "objectives": ("parameters",), **changes})
        return optimize(given, store=store, cache_dir=root / "cache", study="second")

    for wrong, said in (
        ({"start_from": "firs"}, "none is called 'firs'$"),
        ({"criterion": "taylor", "max_length": 64}, "'first' differs in criterion and max_length"),
        ({"search_examples": 40}, "'first' differs in calibration and search"),
        ({"transforms": ("units", "bits"), "backends": ("onnxruntime",)}, "'first' differs in applied and backends"),
        ({"sampler": "iterative"}, "Algorithm 1 follows a path of its own"),
    ):
        with pytest.raises(InputError, match=f"start_from: .*{said}"):
            start(**wrong)
    queued = spec(assets, start_from="first", criterion="taylor").model_dump(mode="json")
    store.create_study("queued", queued, state=StudyState.QUEUED)
    with pytest.raises(InputError, match="'first' differs in criterion"):  # as a worker begins it
        resume("queued", store=store, cache_dir=root / "cache")
    refused = store.study("queued")
    assert refused.state is StudyState.FAILED
    assert refused.error is not None and "'first' differs in criterion" in refused.error
    writes, finish = iter(range(3)), store.finish_candidate

    def killed(candidate_id: int, outcome: Outcome) -> Candidate:
        if next(writes) == 2:
            raise KeyboardInterrupt
        return finish(candidate_id, outcome)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(type(store), "finish_candidate", lambda _store, *given: killed(*given))
        start()
    result = resume("second", store=store, cache_dir=root / "cache")
    theirs = {c.config: c for c in store.candidates(store.study("first").id)}
    made = store.candidates(store.study("second").id)
    taken = [c for c in made if c.proposal.origin is Origin.TRANSFER]
    assert len(made) == 12
    assert 2 <= len(made) - len(taken) <= 12 / 5
    for candidate in taken:
        source = theirs[candidate.config].outcome
        assert source is not None
        assert candidate.outcome is not None
        assert (candidate.outcome.drop, candidate.outcome.seconds) == (source.drop, 0)
        assert {m.quantity for m in candidate.measurements} >= {"parameters", "divergence", "drop"}
        if was_ruled_out(candidate):  # beside one of this study
            rival = made[int((candidate.outcome.reason or "").split()[0].removeprefix("#"))]
            assert (rival.state, rival.number < candidate.number) == (CandidateState.COMPLETE, True)
    assert all(c.verification is not None for c in made if c.shortlisted)
    assert f"candidates taken from 'first' with their drops on the search examples: {len(taken)}" in result.notes
    own = [c.outcome.seen for c in made if c.outcome is not None and c.proposal.origin is not Origin.TRANSFER]
    assert result.stopped_early.examples_saved == pytest.approx(1 - sum(own) / len(own) / SIZES["validation"], abs=0.01)
    store.close()


def test_a_spec_of_before_measures_for_five_seconds(assets: Path) -> None:
    stored = spec(assets).model_dump(mode="json")
    del stored["measure_seconds"]
    assert StudySpec.stored(stored).measure_seconds == 5.0


def test_steering_by_latency_and_energy_under_limits(assets: Path, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    given = spec(assets, objectives=("latency", "energy"), limits={"flops_ratio": 0.8}, trials=6, epsilon=0.5)
    result = optimize(given, store=store, cache_dir=tmp_path / "cache")
    assert all(m.flops_ratio <= 0.8 for m in result.front)
    assert list((tmp_path / "cache" / "latency").iterdir())
    store.close()


def test_recovered_models_are_candidates_of_their_own(assets: Path, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    result = optimize(
        spec(assets, recover="finetune", trials=4, epsilon=0.3), store=store, cache_dir=tmp_path / "cache"
    )
    recovered = [member for member in result.front if member.origin == "recover"]
    assert recovered
    for member in recovered:
        assert member.form == "finetuned"
        assert member.parent is not None
        assert member.training_seconds is not None
        assert member.training_energy_j is not None
    store.close()


def test_recovered_weights_are_those_that_the_study_counts_or_refused(
    assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, cache = spec(assets, recover="finetune", trials=3, epsilon=0.5), tmp_path / "cache"
    store, other = (open_store(f"sqlite:///{tmp_path}/s.sqlite") for _ in range(2))

    def frozen(model: nn.Module, *examples: object, **settings: object) -> TrainingResult:
        """Train late: another process has meanwhile taken the study and finished it."""
        monkeypatch.undo()
        other.update_study(other.study("s").id, state=StudyState.INTERRUPTED)
        resume("s", store=other, cache_dir=cache)
        return finetune(model, *examples, **{**settings, "settings": FinetuneSettings(learning_rate=1e-3)})

    monkeypatch.setattr("optimizer.recovery.finetuned.finetune", frozen)
    with pytest.raises(StudyLostError):
        optimize(given, store=store, cache_dir=cache, study="s")
    study = store.study("s")
    trained = next(c for c in store.candidates(study.id) if c.config.form is Form.FINETUNED and c.outcome)
    workload = load_workload(given, cache_dir=cache, progress=lambda *_: None)
    pipeline = Pipeline.of(given, workload, cache)
    build = partial(build_candidate, pipeline=pipeline, cache_dir=cache)
    whole = build(trained, study=study)
    examples = workload.search
    right = predict(whole, examples, workload.task).argmax(axis=1) == examples.labels
    of_dense = predict(workload.model, examples, workload.task).argmax(axis=1) == examples.labels
    assert trained.outcome.drop == pytest.approx(of_dense.mean() - right.mean())
    (place,) = weights_paths(cache, study, trained)
    finetuned = [c for c in store.candidates(study.id) if c.config.form is Form.FINETUNED]
    assert len(list(place.parent.iterdir())) == len(finetuned) + 1  # and what came too late

    before = replace(trained, measurements=tuple(m for m in trained.measurements if WEIGHTS not in m.conditions))
    by_number, by_study = place.with_name(f"{trained.number}.safetensors"), weights_paths(cache, study, before)[0]
    for earlier in (by_study, by_number):
        place = place.rename(earlier)
        same = build(before, study=study).state_dict()
        assert all(torch.equal(tensor, same[name]) for name, tensor in whole.state_dict().items())
    half = place.read_bytes()[:1000]
    place.unlink()  # models loaded above read the whole file still
    place.write_bytes(half)
    for candidate in (trained, before):
        with pytest.raises(InputError, match=r"missing or damaged .* give the directory that the study ran with"):
            build(candidate, study=study)
    other.close()
    store.close()


def test_other_data_under_the_same_path_are_refused_on_resume_from_any_directory(
    assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_data(tmp_path / "data", assets / "model", SIZES)
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    given = spec(assets, data="data", trials=3)

    def interrupt(event: Event) -> None:
        if event.candidate is not None:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:  # so does native code
                raise ValueError("could not determine the shape") from None

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        optimize(given, store=store, cache_dir=tmp_path / "cache", study="s", listener=interrupt)
    signal.signal(signal.SIGINT, before)
    assert store.study("s").state is StudyState.INTERRUPTED
    assert store.study("s").spec["data"] == str(tmp_path / "data")
    monkeypatch.chdir(assets)
    save_data(tmp_path / "data", assets / "model", {**SIZES, "test": 239})
    with pytest.raises(InputError, match="verification changed since 's' began"):
        resume("s", store=store, cache_dir=tmp_path / "cache")
    store.close()


def test_a_layer_to_keep_that_does_not_exist_leaves_no_study(assets: Path, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    with pytest.raises(InputError, match=r"keep: no layer or group is called 'layer\.9'"):
        optimize(spec(assets, keep=("layer.9",)), store=store, cache_dir=tmp_path / "cache")
    assert store.studies() == []
    store.close()


KILLED = """
import gc, sys
gc.disable()  # it lives for seconds, most of which go into imports
from optimizer.run import optimize
from optimizer.spec import StudySpec
from optimizer.training.finetune import FinetuneSettings, TrainingResult, finetune
from pathlib import Path
from studies.opening import open_store
root = Path(sys.argv[1])
spec = StudySpec.model_validate_json((root / "spec.json").read_text())
def listen(event):
    if event.candidate is not None:
        (root / "progress").write_text(str(event.candidate.number))
optimize(spec, store=open_store(f"sqlite:///{root}/s.sqlite"), cache_dir=root / "cache", study="s", listener=listen)
"""


def test_a_killed_study_resumes_without_repeating_anything(
    assets: Path, finished: tuple[Path, RunResult, list[Event]], tmp_path: Path
) -> None:
    (tmp_path / "spec.json").write_text(spec(assets).model_dump_json())
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    )
    deadline = time.monotonic() + 200
    while not (tmp_path / "progress").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    study = store.study("s")
    done = [c for c in store.candidates(study.id) if c.state is not CandidateState.RUNNING]
    assert done
    result = resume("s", store=store, cache_dir=tmp_path / "cache")
    assert result.state == "complete"
    after = store.candidates(study.id)
    assert after[: len(done)] == done or [c.config for c in after[: len(done)]] == [c.config for c in done]
    undisturbed = open_store(f"sqlite:///{finished[0]}/s.sqlite", read_only=True)
    assert [c.config for c in after] == [c.config for c in undisturbed.candidates(1)]
    undisturbed.close()
    store.close()
