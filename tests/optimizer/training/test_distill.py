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
from optimizer.training.checkpoint import Checkpoint
from optimizer.training.distill import DistillSettings, distill
from optimizer.training.finetune import FinetuneSettings, finetune
from optimizer.training.learner import Learner
from optimizer.training.teacher import INNER, Lesson
from search_spaces.layouts.tapped import tapped

TASK = Classification()
PATHS = tuple(f"bert.encoder.layer.{i}.{block}output.dense" for i in range(2) for block in ("attention.", ""))
SETTINGS = DistillSettings(learning_rate=3e-3, batch_size=16)  # 13 steps of 200 examples


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

    def taught(
        self,
        student: nn.Module,
        *,
        settings: DistillSettings = SETTINGS,
        key: str = "a training",
        stop_at: int | None = None,
        lesson: Lesson | None = None,
    ) -> list[int]:
        """Train a student, and return the numbers of the steps taken."""
        steps: list[int] = []

        def progress(done: int) -> None:
            steps.append(done)
            if done == stop_at:
                raise StoppedError

        with pytest.raises(StoppedError) if stop_at else nullcontext():
            distill(
                student,
                self.examples,
                lesson or Lesson(TASK, self.teacher, PATHS),
                settings,
                checkpoint=Checkpoint(self.folder / key, key),
                progress=progress,
            )
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
    school.taught(whole, key="whole")
    assert school.taught(damaged(school.teacher), stop_at=5) == [1, 2, 3, 4, 5]
    assert school.taught(continued) == [*range(6, 14)]
    assert are_equal(continued, whole)
    assert school.taught(finished) == []
    assert are_equal(finished, whole)


@pytest.mark.parametrize(("room", "asked"), [(2**30, range(13, 14)), (200_000, range(14, 26)), (0, range(26, 27))])
def test_what_the_teacher_said_once_is_kept_while_there_is_room(
    room: int, asked: range, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizer.training.teacher.MOST_KEPT", room)
    calls: list[None] = []
    lesson, (first, another, alone) = Lesson(TASK, school.teacher, PATHS), (damaged(school.teacher) for _ in range(3))
    counting = school.teacher.register_forward_hook(lambda *_: calls.append(None))
    school.taught(first, lesson=lesson, key="first")
    school.taught(another, lesson=lesson, key="another")
    counting.remove()
    assert len(calls) in asked
    school.taught(alone)
    assert are_equal(another, alone)


@pytest.mark.parametrize("damage", [b"", b"no state"])
def test_a_damaged_state_and_one_of_another_training_count_as_absent(school: School, damage: bytes) -> None:
    brief = DistillSettings(learning_rate=3e-3, epochs=0.2)
    (school.folder / "one").write_bytes(damage)
    assert school.taught(damaged(school.teacher), settings=brief, key="one") == [1]
    (school.folder / "one").rename(school.folder / "another")
    assert school.taught(damaged(school.teacher), settings=brief, key="another") == [1]
    assert school.taught(damaged(school.teacher), settings=brief, key="another") == []


@pytest.mark.parametrize(("epochs", "steps"), [(0.001, 1), (0.5, 6), (1.0, 13), (2.0, 26)])
def test_a_share_of_an_epoch_is_a_share_of_its_steps(epochs: float, steps: int) -> None:
    assert DistillSettings(learning_rate=1e-3, epochs=epochs, batch_size=16).steps(200) == steps


def test_dropout_is_off_and_batch_norms_learn() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.BatchNorm1d(4))
    optimizer = torch.optim.SGD(model.parameters())
    Learner(model, loss=lambda *_: torch.zeros(()), optimizer=optimizer, dropout=False).train()
    assert [module.training for module in model] == [False, False, True]
