from __future__ import annotations

import copy
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from tiny_encoders import tiny
from torch import Tensor, nn
from toy_examples import toy_examples

from optimizer.predict import predict
from optimizer.tasks.classification import Classification
from optimizer.training.checkpoint import Checkpoint
from optimizer.training.distill import DistillSettings, distill
from optimizer.training.finetune import FinetuneSettings, finetune
from optimizer.training.learner import Learner
from optimizer.training.teacher import Lessons

TASK = Classification()
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
def lessons(teacher: nn.Module) -> Lessons:
    examples = toy_examples(200, seed=3)
    examples.labels[:] = 0  # a student that looked at labels would learn this
    return Lessons(examples, teacher)


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


def taught(
    student: nn.Module,
    lessons: Lessons,
    path: Path,
    *,
    settings: DistillSettings = SETTINGS,
    key: str = "this training",
    stop_at: int | None = None,
) -> list[int]:
    """Train a student, and return the numbers of the steps taken."""
    steps: list[int] = []

    def progress(done: int) -> None:
        steps.append(done)
        if done == stop_at:
            raise StoppedError

    with pytest.raises(StoppedError) if stop_at else nullcontext():
        distill(student, lessons, TASK, settings, checkpoint=Checkpoint(path, key), progress=progress)
    return steps


def test_a_student_learns_its_teachers_answers_and_no_labels(
    teacher: nn.Module, lessons: Lessons, tmp_path: Path
) -> None:
    student = damaged(teacher)
    before = divergence(teacher, student)
    assert len(taught(student, lessons, tmp_path / "state")) == 13
    assert divergence(teacher, student) < before / 4
    assert not student.training
    name = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(student.state_dict()[name], teacher.state_dict()[name])


def test_all_students_of_a_class_share_one_pass_of_the_teacher(
    teacher: nn.Module, lessons: Lessons, tmp_path: Path
) -> None:
    asked: list[int] = []
    first, second = damaged(teacher), damaged(teacher)
    hook = teacher.register_forward_hook(lambda *_: asked.append(1))
    taught(first, lessons, tmp_path / "first")
    taught(second, lessons, tmp_path / "second")
    hook.remove()
    assert len(asked) == 13
    assert lessons.asked == 200
    assert are_equal(first, second)


def test_an_interrupted_training_continues_with_the_step_that_is_next(
    teacher: nn.Module, lessons: Lessons, tmp_path: Path
) -> None:
    whole, continued = damaged(teacher), damaged(teacher)
    taught(whole, lessons, tmp_path / "whole")
    assert taught(damaged(teacher), lessons, tmp_path / "state", stop_at=5) == [1, 2, 3, 4, 5]
    assert taught(continued, lessons, tmp_path / "state") == [*range(6, 14)]
    assert are_equal(continued, whole)
    finished = damaged(teacher)
    assert taught(finished, lessons, tmp_path / "state") == []
    assert are_equal(finished, whole)


@pytest.mark.parametrize("damage", [b"", b"no state"])
def test_a_damaged_state_and_one_of_another_training_count_as_absent(
    teacher: nn.Module, lessons: Lessons, tmp_path: Path, damage: bytes
) -> None:
    path, brief = tmp_path / "state", DistillSettings(learning_rate=3e-3, epochs=0.2)
    path.write_bytes(damage)
    assert taught(damaged(teacher), lessons, path, settings=brief, key="one") == [1]
    assert taught(damaged(teacher), lessons, path, settings=brief, key="another") == [1]
    assert taught(damaged(teacher), lessons, path, settings=brief, key="another") == []


@pytest.mark.parametrize(("epochs", "steps"), [(0.001, 1), (0.5, 6), (1.0, 13), (2.0, 26)])
def test_a_share_of_an_epoch_is_a_share_of_its_steps(epochs: float, steps: int) -> None:
    assert DistillSettings(learning_rate=1e-3, epochs=epochs, batch_size=16).steps(200) == steps


def test_dropout_is_off_and_batch_norms_learn() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.BatchNorm1d(4))
    optimizer = torch.optim.SGD(model.parameters())
    Learner(model, loss=lambda *_: torch.zeros(()), optimizer=optimizer, dropout=False).train()
    assert [module.training for module in model] == [False, False, True]
