from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_encoders import BERT_LIKE, tiny
from torch import Tensor, nn
from toy_examples import toy_examples
from transformers import BertConfig, BertForSequenceClassification

from objectives.metrics import METRICS, Kind, Metric
from optimizer.errors import InputError, MachineError
from optimizer.predict import predict
from optimizer.tasks.classification import Classification
from optimizer.tasks.regression import Regression
from optimizer.tasks.texts.examples import Examples
from optimizer.training import checkpoint
from optimizer.training.finetune import FinetuneSettings, TrainingResult, finetune

TRAIN, HELD_OUT = toy_examples(600, seed=1), toy_examples(200, seed=2)
FEW = TRAIN.subset(range(64))  # four steps an epoch, where nothing need be learnt
FAST = FinetuneSettings(learning_rate=3e-3, batch_size=16, epochs=3)


def silent(_done: int, _total: int) -> None:
    pass


def train(model: nn.Module, settings: FinetuneSettings = FAST, **changes: object) -> TrainingResult:
    arguments = {"train": TRAIN, "held_out": HELD_OUT, "task": Classification(), "progress": silent}
    return finetune(model, settings=settings, **{**arguments, **changes})


def accuracy(model: nn.Module, examples: Examples = HELD_OUT) -> float:
    return METRICS["accuracy"].value(predict(model, examples, Classification()).argmax(axis=1), examples.labels)


def scores(result: TrainingResult) -> list[float | None]:
    return [epoch.score for epoch in result.epochs]


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def are_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one | other)


@dataclass(frozen=True, slots=True)
class Told(Classification):
    """Classification whose best guess is told, so that a scripted metric is asked by epochs alone."""

    guess: float = 0.0

    def trivial(self, labels: np.ndarray) -> float:
        return self.guess


class Scripted:
    """A metric that gives the values it is told to, and keeps the weights it saw at each."""

    def __init__(self, model: nn.Module, *values: float) -> None:
        self.model, self.values, self.seen = model, list(values), []
        self.metric = Metric(name="scripted", kind=Kind.CLASSIFICATION, weighted=self.weighted)

    def weighted(self, _predictions: object, _labels: object, _weights: object) -> np.ndarray:
        self.seen.append(weights(self.model))
        return np.array([self.values[len(self.seen) - 1]])


@pytest.fixture(scope="module")
def trained() -> tuple[nn.Module, TrainingResult]:
    model = tiny("bert")
    return model, train(model)


def test_a_tiny_encoder_learns_a_toy_task(trained: tuple[nn.Module, TrainingResult]) -> None:
    model, _ = trained
    assert accuracy(tiny("bert")) < 0.6
    assert accuracy(model) > 0.95
    assert not model.training


def test_the_result_says_what_was_done(trained: tuple[nn.Module, TrainingResult]) -> None:
    model, result = trained
    assert result.best == max(scores(result)) == accuracy(model)
    assert result.steps == len(result.epochs) * 38  # ceil(600 / 16)
    assert result.epochs[-1].loss < result.epochs[0].loss
    assert result.seconds > 0


def test_the_weights_of_the_best_epoch_are_kept_and_patience_ends_the_training() -> None:
    model = tiny("bert")
    script = Scripted(model, 0.2, 0.9, 0.9, 0.1, 0.95)
    result = train(model, replace(FAST, epochs=5, patience=2), train=FEW, task=Told(script.metric))
    assert scores(result) == [0.2, 0.9, 0.9, 0.1]
    assert result.best == 0.9
    assert are_equal(weights(model), script.seen[1])
    assert not are_equal(weights(model), script.seen[3])


def test_a_better_epoch_renews_patience() -> None:
    model = tiny("bert")
    script = Scripted(model, 0.1, 0.2, 0.3, 0.2)
    result = train(model, replace(FAST, epochs=9), train=FEW, task=Told(script.metric))
    assert len(result.epochs) == 4


def test_patience_begins_when_a_model_is_better_than_guessing() -> None:
    model = tiny("bert")
    script = Scripted(model, 0.3, 0.3, 0.2, 0.5, 0.5, 0.9)
    result = train(model, replace(FAST, epochs=9), train=FEW, task=Told(script.metric, guess=0.3))
    assert scores(result) == [0.3, 0.3, 0.2, 0.5, 0.5]
    assert are_equal(weights(model), script.seen[3])


@pytest.mark.parametrize("killed_after", [1, 2, 3])
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)
    settings, state = replace(FAST, epochs=4, patience=4), tmp_path / "one.state"
    steps = []

    def kill(done: int, _total: int) -> None:
        steps.append(done)
        if done == 4 * killed_after + 2:
            raise KeyboardInterrupt

    def model() -> nn.Module:
        return BertForSequenceClassification(BertConfig(**BERT_LIKE, hidden_dropout_prob=0.3))

    torch.manual_seed(0)
    first, again = model(), model()
    again.load_state_dict(first.state_dict())
    whole = copy.deepcopy(first)
    alone = train(whole, settings, train=FEW)
    with pytest.raises(KeyboardInterrupt):
        train(first, settings, train=FEW, state=state, progress=kill)
    steps.clear()
    rest = train(again, settings, train=FEW, state=state, progress=lambda done, _: steps.append(done))
    assert steps == [*range(4 * killed_after + 1, 17)]
    assert are_equal(weights(whole), weights(again))
    assert (scores(rest), rest.best, rest.steps) == (scores(alone), alone.best, alone.steps)
    assert [epoch.loss for epoch in rest.epochs] == [epoch.loss for epoch in alone.epochs]


def test_without_held_out_examples_all_epochs_run_and_the_last_weights_stay() -> None:
    model = tiny("bert")
    result = train(model, replace(FAST, epochs=2), held_out=None)
    assert (scores(result), result.best) == ([None, None], None)
    assert accuracy(model) > 0.6


def test_global_random_numbers_go_on_as_if_nothing_had_been_trained() -> None:
    model = tiny("bert")
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    train(model, replace(FAST, epochs=1), train=FEW)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()


def test_one_seed_gives_the_same_weights_whatever_the_global_state() -> None:
    found = []
    for state in (1, 2):
        model = tiny("bert")
        torch.manual_seed(state)
        train(model, replace(FAST, epochs=1), train=FEW)
        found.append(weights(model))
    assert are_equal(*found)


def test_another_seed_gives_other_weights() -> None:
    one, other = tiny("bert"), tiny("bert")
    train(one, replace(FAST, epochs=1), train=FEW)
    train(other, replace(FAST, epochs=1, seed=1), train=FEW)
    assert not are_equal(weights(one), weights(other))


def test_a_loss_that_is_no_number_names_the_remedy() -> None:
    with pytest.raises(MachineError, match="the training loss is NaN or infinite; check inputs"):
        train(tiny("bert"), replace(FAST, learning_rate=1e30, warmup=0.0))


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(InputError, match="data: "):
        train(tiny("bert"), train=TRAIN.subset([]))


def test_progress_counts_every_step_of_all() -> None:
    told: list[tuple[int, int]] = []
    settings, few = replace(FAST, epochs=2), TRAIN.subset(range(60))
    train(tiny("bert"), settings, train=few, held_out=None, progress=lambda done, total: told.append((done, total)))
    assert told == [(step, 8) for step in range(1, 9)]  # the last of each epoch on twelve texts


def test_a_teacher_corrects_wrong_labels_and_is_left_alone(trained: tuple[nn.Module, TrainingResult]) -> None:
    teacher = trained[0]
    before = weights(teacher)
    rng = np.random.default_rng(0)
    guesses, is_guessed = rng.integers(3, size=len(TRAIN)), rng.random(len(TRAIN)) < 0.7
    spoilt = replace(TRAIN, labels=np.where(is_guessed, guesses, TRAIN.labels))
    alone, taught = tiny("bert"), tiny("bert")
    for model, its_teacher in ((alone, None), (taught, teacher)):
        train(model, train=spoilt, held_out=None, teacher=its_teacher)
    assert far_from(taught, teacher) < far_from(alone, teacher) / 2
    assert are_equal(weights(teacher), before)
    assert not teacher.training


def far_from(model: nn.Module, teacher: nn.Module) -> float:
    """Return the mean divergence of the model's answers from the teacher's."""
    answers, wanted = (
        torch.from_numpy(predict(m, HELD_OUT, Classification())).log_softmax(dim=1) for m in (model, teacher)
    )
    return float((wanted.exp() * (wanted - answers)).sum(dim=1).mean())


def test_one_output_learns_numbers_alone_and_from_a_teacher() -> None:
    numbers = [replace(examples, labels=examples.labels / 2.0) for examples in (TRAIN, HELD_OUT)]
    alone, taught = one_output(), one_output()
    for model, teacher in ((alone, None), (taught, alone)):
        result = train(model, train=numbers[0], held_out=numbers[1], task=Regression(), teacher=teacher)
        assert result.best is not None
        assert result.best > 0.8


def one_output() -> nn.Module:
    torch.manual_seed(0)
    return BertForSequenceClassification(BertConfig(**{**BERT_LIKE, "num_labels": 1})).eval()


def test_an_empty_held_out_part_counts_as_none() -> None:
    result = train(tiny("bert"), train=FEW, held_out=HELD_OUT.subset([]))
    assert (scores(result), result.best) == ([None] * FAST.epochs, None)
