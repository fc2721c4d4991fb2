from __future__ import annotations

import copy
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


def test_a_student_learns_its_teachers_answers_and_no_labels(teacher: nn.Module, lessons: Lessons) -> None:
    student = damaged(teacher)
    before = divergence(teacher, student)
    assert distill(student, lessons, TASK, SETTINGS) == 13
    assert divergence(teacher, student) < before / 4
    assert not student.training
    name = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(student.state_dict()[name], teacher.state_dict()[name])


def test_all_students_of_a_class_share_one_pass_of_the_teacher(teacher: nn.Module, lessons: Lessons) -> None:
    asked: list[int] = []
    first, second = damaged(teacher), damaged(teacher)
    hook = teacher.register_forward_hook(lambda *_: asked.append(1))
    distill(first, lessons, TASK, SETTINGS)
    distill(second, lessons, TASK, SETTINGS)
    hook.remove()
    assert len(asked) == 13
    assert are_equal(first, second)


def test_an_interrupted_training_continues_with_the_step_that_is_next(
    teacher: nn.Module, lessons: Lessons, tmp_path: Path
) -> None:
    whole, halted = damaged(teacher), damaged(teacher)
    distill(whole, lessons, TASK, SETTINGS)
    checkpoint = Checkpoint(tmp_path / "state", "this training")

    def stop(done: int, _total: int) -> None:
        if done == 5:
            raise StoppedError

    with pytest.raises(StoppedError):
        distill(halted, lessons, TASK, SETTINGS, checkpoint=checkpoint, progress=stop)
    continued = damaged(teacher)
    assert distill(continued, lessons, TASK, SETTINGS, checkpoint=checkpoint) == 8
    assert are_equal(continued, whole)
    checkpoint.forget()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("damage", [b"", b"no state"])
def test_a_damaged_state_and_one_of_another_training_count_as_absent(
    teacher: nn.Module, lessons: Lessons, tmp_path: Path, damage: bytes
) -> None:
    few = DistillSettings(learning_rate=3e-3, epochs=0.2)
    path = tmp_path / "state"
    path.write_bytes(damage)
    assert distill(damaged(teacher), lessons, TASK, few, checkpoint=Checkpoint(path, "one")) == 1

    def stop(_done: int, _total: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        distill(damaged(teacher), lessons, TASK, few, checkpoint=Checkpoint(path, "one"), progress=stop)
    assert distill(damaged(teacher), lessons, TASK, few, checkpoint=Checkpoint(path, "another")) == 1
    assert distill(damaged(teacher), lessons, TASK, few, checkpoint=Checkpoint(path, "one")) == 0


@pytest.mark.parametrize(("epochs", "steps"), [(0.001, 1), (0.5, 6), (1.0, 13), (2.0, 26)])
def test_a_share_of_an_epoch_is_a_share_of_its_steps(epochs: float, steps: int) -> None:
    assert DistillSettings(learning_rate=1e-3, epochs=epochs, batch_size=16).steps(200) == steps


def test_dropout_is_off_and_batch_norms_learn() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.BatchNorm1d(4))
    optimizer = torch.optim.SGD(model.parameters())
    Learner(model, loss=lambda *_: torch.zeros(()), optimizer=optimizer, dropout=False).train()
    assert [module.training for module in model] == [False, False, True]
