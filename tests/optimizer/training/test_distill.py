from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from tiny_encoders import tiny
from torch import Tensor, nn
from toy_examples import toy_examples

from optimizer.predict import predict
from optimizer.tasks.classification import Classification
from optimizer.tasks.task import ask
from optimizer.tasks.texts.examples import Examples
from optimizer.training.checkpoint import state_path
from optimizer.training.distill import DistillSettings, distill, student
from optimizer.training.finetune import FinetuneSettings, finetune
from optimizer.training.history import joined, of_epochs, read, stored
from optimizer.training.learner import Learner
from optimizer.training.student import Student
from optimizer.training.teacher import INNER, Lesson
from search_spaces.layouts.tapped import tapped

TASK = Classification()
PATHS = tuple(f"bert.encoder.layer.{i}.{block}output.dense" for i in range(2) for block in ("attention.", ""))
RATE = 3e-3
SETTINGS = DistillSettings(batch_size=16)  # 13 steps of 200 examples


class StoppedError(Exception):
    """What a progress callback raises to cancel."""


@pytest.fixture(scope="module")
def teacher() -> nn.Module:
    model = tiny("bert")
    settings = FinetuneSettings(learning_rate=3e-3, epochs=3)
    finetune(
        model, toy_examples(600, seed=1), held_out=None, task=TASK, settings=settings, progress=lambda _d, _t: None
    )
    return model


@pytest.fixture
def examples() -> Examples:
    examples = toy_examples(200, seed=3)
    examples.labels[:] = 0  # a student that looked at labels would learn this
    return examples


def damaged(teacher: nn.Module) -> nn.Module:
    """Return the teacher with half of what its FFNs write lost."""
    model = copy.deepcopy(teacher)
    for name, parameter in model.named_parameters():
        if name.endswith("output.dense.weight"):
            parameter.data[::2] = 0
    return model


def divergence(teacher: nn.Module, student: nn.Module) -> float:
    examples = toy_examples(200, seed=4)
    return TASK.divergence(predict(teacher, examples, TASK), predict(student, examples, TASK))


def are_equal(one: nn.Module, other: nn.Module) -> bool:
    tensors: dict[str, Tensor] = other.state_dict()
    return all(torch.equal(tensor, tensors[name]) for name, tensor in one.state_dict().items())


@dataclass
class School:
    """A teacher with examples; every student learns the outputs, and what the layers of `PATHS` write."""

    teacher: nn.Module
    examples: Examples
    folder: Path

    def student(
        self, model: nn.Module, *, settings: DistillSettings = SETTINGS, lesson: Lesson | None = None
    ) -> Student:
        lesson = lesson or Lesson(TASK, self.teacher, PATHS)
        return student(model, lesson, RATE, settings, len(self.examples))

    def taught(
        self,
        *models: nn.Module,
        settings: DistillSettings = SETTINGS,
        keys: str = "one",
        until: int = 13,
        stop_at: int | None = None,
        lesson: Lesson | None = None,
    ) -> list[int]:
        """Train models together, each by the key of its training, and return the numbers of the steps taken."""
        steps: list[int] = []

        def progress(done: int) -> None:
            steps.append(done)
            if done == stop_at:
                raise StoppedError

        students = [self.student(model, settings=settings, lesson=lesson) for model in models]
        named = dict(zip(keys.split(), students, strict=True))
        with pytest.raises(StoppedError) if stop_at else nullcontext():
            distill(named, self.examples, settings, until=until, folder=self.folder, progress=progress)
        return steps


@pytest.fixture
def school(teacher: nn.Module, examples: Examples, tmp_path: Path) -> School:
    return School(teacher, examples, tmp_path)


def test_a_student_learns_its_teachers_answers_and_no_labels(school: School) -> None:
    student = damaged(school.teacher)
    before = divergence(school.teacher, student)
    assert len(school.taught(student)) == 13
    assert divergence(school.teacher, student) < before / 4
    assert not student.training
    name = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(student.state_dict()[name], school.teacher.state_dict()[name])


def test_the_layers_learn_as_well(school: School) -> None:
    student = damaged(school.teacher)
    batch = next(school.examples.batches(batch_size=200))
    lesson = Lesson(TASK, school.teacher, PATHS)
    before = [apart_at(path, school.teacher, student, batch) for path in PATHS]
    with torch.no_grad():
        outputs_alone = float(Lesson(TASK, school.teacher, ())(student, batch))
        assert float(lesson(student, batch)) == pytest.approx(outputs_alone + INNER * sum(before), rel=1e-5)
        assert float(lesson(school.teacher, batch)) == pytest.approx(0, abs=1e-6)
    school.taught(student)
    assert all(apart_at(path, school.teacher, student, batch) < old for path, old in zip(PATHS, before, strict=True))


def apart_at(path: str, teacher: nn.Module, student: nn.Module, batch: dict[str, Tensor]) -> float:
    """Return the squared distance of what a layer writes in parts of the teacher's square, token by real token."""
    written = []
    for model in (teacher, student):
        with torch.no_grad(), tapped(model, [path]) as outputs:
            ask(model, batch)
        written.append(torch.cat([row[: int(n)] for row, n in zip(outputs[path], lengths(batch), strict=True)]))
    return float((written[1] - written[0]).square().sum() / written[0].square().sum())


def lengths(batch: dict[str, Tensor]) -> Tensor:
    return batch["attention_mask"].sum(dim=1)


def test_an_interrupted_training_continues_with_the_step_that_is_next(school: School) -> None:
    whole, continued, finished = (damaged(school.teacher) for _ in range(3))
    school.taught(whole, keys="whole")
    assert school.taught(damaged(school.teacher), stop_at=5) == [1, 2, 3, 4, 5]
    assert school.taught(continued) == [*range(6, 14)]
    assert are_equal(continued, whole)
    assert school.taught(finished) == []
    assert are_equal(finished, whole)


def test_students_learn_together_what_each_learns_alone_and_the_teacher_answers_once(school: School) -> None:
    alone, first, second = (damaged(school.teacher) for _ in range(3))
    calls: list[None] = []
    school.taught(alone, keys="alone")
    counting = school.teacher.register_forward_hook(lambda *_: calls.append(None))
    school.taught(first, second, keys="first second", lesson=Lesson(TASK, school.teacher, PATHS))
    counting.remove()
    assert are_equal(first, alone)
    assert are_equal(second, alone)
    assert len(calls) == 13


def test_a_student_whose_state_was_saved_later_waits_for_the_others(school: School) -> None:
    whole, ahead, behind = (damaged(school.teacher) for _ in range(3))
    school.taught(whole, keys="whole")
    school.taught(damaged(school.teacher), keys="ahead", stop_at=9)
    school.taught(damaged(school.teacher), keys="behind", stop_at=4)
    assert school.taught(ahead, behind, keys="ahead behind") == [*range(5, 14)]
    assert are_equal(ahead, whole)
    assert are_equal(behind, whole)


def test_an_unstable_student_ends_and_the_others_learn_on(school: School) -> None:
    whole, stable, broken = (damaged(school.teacher) for _ in range(3))
    school.taught(whole, keys="whole")
    next(broken.parameters()).data.fill_(float("nan"))
    students = {"stable": school.student(stable), "broken": school.student(broken)}
    distill(students, school.examples, SETTINGS, until=13, folder=school.folder)
    assert are_equal(stable, whole)
    assert (students["broken"].steps, students["stable"].steps) == (0, 13)
    assert "NaN or infinite" in students["broken"].failure
    again = school.student(damaged(school.teacher))
    distill({"broken": again}, school.examples, SETTINGS, until=13, folder=school.folder)
    assert again.failure == students["broken"].failure  # it is known, and not tried again


def test_students_divide_what_their_class_spends_epoch_by_epoch(school: School) -> None:
    settings = DistillSettings(rungs=(2.0,), batch_size=16)
    students = {key: school.student(damaged(school.teacher)) for key in ("first", "second")}
    distill(students, school.examples, settings, until=20, folder=school.folder)
    for each in students.values():
        assert [(row.epoch, row.examples) for row in each.history] == [(1, 200), (2, 104)]  # a batch of 8 among 7 steps
        assert all(row.spent.seconds > 0 < row.spent.joules for row in each.history)
        assert all(row.spent.resident_bytes > 100e6 for row in each.history)
        assert read(stored(each.history)) == each.history
    again = school.student(damaged(school.teacher))
    distill({"first": again}, school.examples, settings, until=26, folder=school.folder)
    assert again.history[0] == students["first"].history[0]
    assert (again.history[1].epoch, again.history[1].examples) == (2, 200)
    assert again.history[1].spent.joules > students["first"].history[1].spent.joules


def test_histories_join_by_epoch_and_an_older_versions_has_seconds_without_joules() -> None:
    older = read({"examples": 7, "taught": 3.5, "seconds": 2.0})
    assert [(row.epoch, row.examples, row.spent.seconds, row.spent.joules) for row in older] == [(1, 7, 2.0, 0.0)]
    both = joined(older, of_epochs([older[0].spent, older[0].spent], 10))
    assert [(row.epoch, row.examples, row.spent.seconds) for row in both] == [(1, 17, 4.0), (2, 10, 2.0)]
    assert read({"examples": 0, "taught": 0.0, "seconds": 0.0}) == ()


def test_a_training_that_stops_after_a_rung_continues_as_if_it_had_not(school: School) -> None:
    rungs = DistillSettings(rungs=(0.25, 1.0), batch_size=16)
    whole, continued = damaged(school.teacher), damaged(school.teacher)
    school.taught(whole, settings=rungs, keys="whole")
    school.taught(continued, settings=rungs, until=3)
    before = divergence(school.teacher, damaged(school.teacher))
    assert divergence(school.teacher, continued) < before
    assert school.taught(continued, settings=rungs) == [*range(4, 14)]
    assert are_equal(continued, whole)


@pytest.mark.parametrize("damage", [b"", b"no state"])
def test_a_damaged_state_and_one_of_another_training_count_as_absent(school: School, damage: bytes) -> None:
    state_path(school.folder, "one").write_bytes(damage)
    assert school.taught(damaged(school.teacher), until=1) == [1]
    state_path(school.folder, "one").rename(state_path(school.folder, "another"))
    assert school.taught(damaged(school.teacher), keys="another", until=1) == [1]
    assert school.taught(damaged(school.teacher), keys="another", until=1) == []


def test_rungs_are_shares_of_an_epoch_and_take_a_step_at_least() -> None:
    assert DistillSettings(rungs=(0.001, 0.002, 0.5, 1.0, 2.0), batch_size=16).ends(200) == (1, 2, 6, 13, 26)


def test_dropout_is_off_and_batch_norms_learn() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.BatchNorm1d(4))
    optimizer = torch.optim.SGD(model.parameters())
    Learner(model, loss=lambda *_: torch.zeros(()), optimizer=optimizer, dropout=False).train()
    assert [module.training for module in model] == [False, False, True]
