"""Distillation as part of a study, on a tiny random model whose own answers are the labels; a deeper one teaches."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from tiny_checkpoints import DISTILLED, save_data, save_tiny
from tiny_teachers import deeper, saved

from optimizer.errors import InputError
from optimizer.executors.executor import A, Question
from optimizer.executors.inprocess import InProcess
from optimizer.faults import WorkerDiedError
from optimizer.handover.export import export_candidate
from optimizer.handover.loading import load_pruned
from optimizer.progress import CancelledError, Event
from optimizer.recovery import classroom
from optimizer.recovery.classroom import Classroom, Teach
from optimizer.recovery.weights import weights_paths
from optimizer.run import optimize, resume
from optimizer.selection.certification import stored_list
from optimizer.spec import StudySpec
from optimizer.tasks.task import Batch
from optimizer.training.student import Student
from optimizer.training.teacher import Lesson
from optimizer.views.member import RunResult
from search_spaces.config import Form
from search_spaces.layouts.stored import bits_by_layer
from studies.opening import open_store
from studies.records import Candidate, CandidateState
from studies.store import StudyStore

FIELDS = {**DISTILLED, "epsilon": 0.6, "trials": 3, "recover_epochs": 6}


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    root = tmp_path_factory.mktemp("assets")
    save_tiny(root / "model")
    save_data(root / "data", root / "model", {"train": 300, "validation": 130, "test": 120})
    return StudySpec.model_validate({**FIELDS, "model": str(root / "model"), "data": str(root / "data")})


def distilled(store: StudyStore, study: str) -> list[Candidate]:
    return [c for c in store.candidates(store.study(study).id) if c.config.form is Form.FINETUNED]


def cancel_at(stage: str, done: int) -> Callable[[Event], None]:
    def listen(event: Event) -> None:
        if event.stage == stage and event.done == done:
            raise CancelledError

    return listen


def until_recovered(seen: list[Event]) -> Callable[[Event], None]:
    """Cancel where every student has learned and no shortlist is stored yet."""

    def listen(event: Event) -> None:
        seen.append(event)
        if event.stage == "recover" and event.done and event.done == event.total:
            raise CancelledError

    return listen


def test_lean_configs_learn_and_a_cancel_costs_nothing_but_the_step(
    spec: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizer.recovery.halving.STUDENTS", 3)
    lessons = listened(monkeypatch)
    place = saved(Path(spec.model), tmp_path / "deep", deeper)
    spec = spec.model_copy(update={"teacher": str(place)})
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    whole = optimize(spec, store=store, cache_dir=tmp_path / "one", study="whole")
    stages: list[Event] = []
    with pytest.raises(CancelledError):
        optimize(spec, store=store, cache_dir=tmp_path / "two", study="halted", listener=cancel_at("recover", 24))
    states = [torch.load(s, weights_only=True)["state"] for s in (tmp_path / "two" / "recovered" / "halted").iterdir()]
    assert sorted(state["learner"]["steps"] for state in states) == [5, 5, 5]  # the second rung has begun
    refuse_another_teacher(Path(spec.model), place, lambda: resume("halted", store=store, cache_dir=tmp_path / "two"))
    with pytest.raises(CancelledError):
        resume("halted", store=store, cache_dir=tmp_path / "two", listener=until_recovered(stages))
    continued = resume("halted", store=store, cache_dir=tmp_path / "two")
    made, again = distilled(store, "whole"), distilled(store, "halted")

    check_candidates(made, store.candidates(store.study("whole").id))
    assert [c.config for c in again] == [c.config for c in made]
    assert [hashes(c) for c in again] == [hashes(c) for c in made]  # not a weight differs
    assert epochs(again) == epochs(made)
    assert next(e.done for e in stages if e.stage == "recover" and e.done) == 27  # the step that is next
    assert not list((tmp_path / "two").rglob("*.state"))
    check_front(whole)
    assert {m.candidate for m in whole.front} == {m.candidate for m in continued.front}
    listed = stored_list(store.study("whole"))
    assert listed is not None and listed == stored_list(store.study("halted"))
    assert {*listed.members} <= {c.number for c in store.candidates(store.study("whole").id) if c.shortlisted}

    number = next(m.candidate for m in whole.front if m.origin == "recover")
    export_candidate(store, store.study("whole"), number, tmp_path / "export", cache_dir=tmp_path / "one")
    assert load_pruned(tmp_path / "export") is not None
    assert "it learned from deep." in (tmp_path / "export" / "README.md").read_text()
    assert {(lesson.teacher.config.num_hidden_layers, tuple(lesson.paths)) for lesson in lessons} == {(3, ())}
    assert whole.teacher == str(place)
    assert any("learn from deep (accuracy 0." in note and "its outputs alone" in note for note in whole.notes)
    assert any("3 lean configs for 13.9 epochs in all" in note for note in whole.notes)
    store.close()


def listened(monkeypatch: pytest.MonkeyPatch) -> list[Lesson]:
    """Return the lessons of all students from now on."""
    lessons: list[Lesson] = []
    enrol = classroom.student

    def listen(model: torch.nn.Module, lesson: Lesson, *rest: object) -> Student:
        lessons.append(lesson)
        return enrol(model, lesson, *rest)

    monkeypatch.setattr(classroom, "student", listen)
    return lessons


def refuse_another_teacher(model: Path, place: Path, ask: Callable[[], object]) -> None:
    kept = place.rename(place.with_name("kept"))
    shutil.copytree(model, place)
    with pytest.raises(InputError, match="teacher changed since 'halted' began"):
        ask()
    shutil.rmtree(place)
    kept.rename(place)


def check_candidates(made: list[Candidate], known: Sequence[Candidate]) -> None:
    """Each of three students is a candidate; two have learned to the end, and the third for two rungs."""
    assert all(c.config.form is Form.FINETUNED and c.state is CandidateState.COMPLETE for c in made)
    parents = {c.number: c for c in known}
    for candidate in made:
        parent = parents[candidate.proposal.parent or 0]
        assert parent.config.in_form(Form.FINETUNED) == candidate.config
        assert spent(candidate, "training_time") > 0
        assert spent(candidate, "training_energy") > 0
    least, *most = sorted(epochs(made))
    assert least < 2 < most[0] == most[1] <= 6.1
    assert sum(c.shortlisted for c in made) <= 2


def epochs(made: list[Candidate]) -> list[float]:
    return [m.conditions["epochs"] for c in made for m in c.measurements if "epochs" in m.conditions]


def spent(candidate: Candidate, quantity: str) -> float:
    return next(m.value for m in candidate.measurements if m.quantity == quantity)


def check_front(result: RunResult) -> None:
    recovered = [member for member in result.front if member.origin == "recover"]
    assert recovered
    assert all(member.training_seconds for member in recovered)


def hashes(candidate: Candidate) -> list[object]:
    return [m.conditions["weights"] for m in candidate.measurements if "weights" in m.conditions]


def test_students_learn_in_float32_and_are_stored_in_few_bits_afterwards(
    spec: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizer.recovery.halving.STUDENTS", 2)
    of_bits = spec.model_copy(
        update={"transforms": ("units", "bits"), "objectives": ("size",), "epsilon": 0.9, "recover_epochs": 1.0}
    )
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    optimize(of_bits, store=store, cache_dir=tmp_path / "cache", study="bits")
    student = next(c for c in distilled(store, "bits") if c.shortlisted)
    levels = {bits for name, bits in student.config.levels.items() if name.endswith(".bits")}
    kept = load_file(weights_paths(tmp_path / "cache", store.study("bits"), student)[0])
    export_candidate(store, store.study("bits"), student.number, tmp_path / "export", cache_dir=tmp_path / "cache")
    model = load_pruned(tmp_path / "export")
    stored = bits_by_layer(model)

    assert levels & {4, 8}
    assert {*stored.values()} == levels - {32}
    for path in stored:
        weight = model.get_submodule(path).weight.detach()
        learned = kept[f"{path}.weight"]
        assert not torch.equal(weight, learned)
        assert torch.nn.functional.cosine_similarity(weight.flatten(), learned.flatten(), dim=0) > 0.98
    store.close()


def test_an_unstable_training_fails_its_candidate_and_not_the_study(
    spec: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizer.recovery.halving.STUDENTS", 2)
    monkeypatch.setattr("optimizer.recovery.halving.RATES", (1e30, 2e30))
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    result = optimize(spec, store=store, cache_dir=tmp_path / "cache", study="unstable")
    made = distilled(store, "unstable")
    assert result.state == "complete"
    assert [c.state for c in made] == [CandidateState.FAILED] * 2
    assert all(c.outcome and re.search("(not finite|NaN).*`recover=finetune`", c.outcome.reason or "") for c in made)
    store.close()


def test_a_share_of_an_epoch_is_for_distillation_alone(spec: StudySpec) -> None:
    given = spec.model_dump()
    with pytest.raises(ValidationError, match="recover_epochs must be a whole number"):
        StudySpec.model_validate({**given, "recover": "finetune", "recover_epochs": 0.5})


class Deadly(InProcess):
    """Two workers, of whom one is killed in the middle of every class, and one by each pupil of a doomed parent."""

    slots = 2

    def __init__(self, classroom: Classroom, doomed: Collection[int]) -> None:
        super().__init__(classroom)
        self._classroom, self._doomed = classroom, doomed

    def submit(self, question: Question[Any, A]) -> Future[A]:
        if not isinstance(question, Teach) or (
            len(question.pupils) == 1 and question.pupils[0].parent not in self._doomed
        ):
            return super().submit(question)

        def killed(done: int, _total: int) -> None:
            if done >= question.before + len(question.pupils):
                raise WorkerDiedError("it was killed")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self._classroom, "school", replace(self._classroom.school, report=killed))
            return super().submit(question)


@dataclass
class DeadlyPlace:
    """Where search is safe and training is not."""

    doomed: Collection[int] = ()
    record: Mapping[str, Any] = field(default_factory=dict)

    def check(self, workload: object) -> None: ...

    def executor(self, served: object, *, is_limited: bool = True) -> InProcess:
        del is_limited
        return Deadly(served, self.doomed) if isinstance(served, Classroom) else InProcess(served)


def test_students_whose_workers_are_killed_learn_on_from_what_was_kept(
    spec: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizer.recovery.halving.STUDENTS", 3)
    spec = spec.model_copy(update={"recover_epochs": 3.0})
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    place, taken = DeadlyPlace(), Counter[int]()
    step = Student.step

    def counted(student: Student, batch: Batch) -> torch.Tensor:
        taken[student.steps] += 1
        return step(student, batch)

    monkeypatch.setattr(Student, "step", counted)
    optimize(spec, store=store, cache_dir=tmp_path / "cache", study="whole")
    whole, taken = dict(taken), Counter()
    monkeypatch.setattr("optimizer.run.workplace", lambda *_: nullcontext(place))
    optimize(spec, store=store, cache_dir=tmp_path / "cache", study="killed")
    made, again = distilled(store, "whole"), distilled(store, "killed")
    assert [(c.config, hashes(c), epochs([c])) for c in again] == [(c.config, hashes(c), epochs([c])) for c in made]
    assert taken == whole  # no step is taken twice
    assert not list((tmp_path / "cache").rglob("*.state"))
    place.doomed = [made[0].proposal.parent or 0]
    optimize(spec, store=store, cache_dir=tmp_path / "cache", study="doomed")
    lost, *others = distilled(store, "doomed")
    assert lost.outcome is not None
    assert lost.outcome.reason == "it was killed (3 attempts)"
    assert [c.config for c in others] == [c.config for c in made[1:]]
    store.close()
