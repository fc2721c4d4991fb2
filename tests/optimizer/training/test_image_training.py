"""Training of image models: it learns, it repeats itself, it keeps its masks, it refuses what cannot work."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from objectives.energy.computed import FLOAT32, Computed
from objectives.energy.process import ProcessAccount
from objectives.energy.spent import CPU, RAM
from optimizer.errors import InputError, MachineError
from optimizer.families.networks.models import new_model
from optimizer.tasks.images.data import ImageData, Images, load_images
from optimizer.tasks.images.scores import accuracy
from optimizer.tasks.task import Batch
from optimizer.training import energy
from optimizer.training.energy import Metering, adam, training_memory_bytes
from optimizer.training.images import ImageLoss, Trained, TrainingSettings, image_batch, train
from optimizer.training.learner import Learner
from search_spaces.transforms.masks.schedules.schedule import SparseTraining
from search_spaces.transforms.masks.schedules.table import SCHEDULES, ScheduleName, make_schedule
from search_spaces.transforms.masks.target import Target

SETTINGS = TrainingSettings(epochs=2, batch_size=16, learning_rate=5e-3)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_images("digits", train_examples=600, test_examples=200)


def small(data: ImageData) -> torch.nn.Module:
    return new_model("mlp-small", data.shape, data.classes, seed=0)


def four(data: ImageData) -> Batch:
    return image_batch(data.train, torch.device("cpu"), np.arange(4))


def test_two_epochs_teach_digits_and_tell_of_each(digits: ImageData) -> None:
    model = small(digits)
    result = train(model, digits.train, replace(SETTINGS, epochs=4), held_out=digits.test)
    assert accuracy(model, digits.test) > 0.75
    assert len(result.epochs) == 4
    assert result.epochs[-1].loss < result.epochs[0].loss
    assert result.epochs[-1].accuracy == accuracy(model, digits.test)
    assert all(epoch.spent.seconds > 0 and epoch.spent.joules > 0 for epoch in result.epochs)
    assert all({CPU, RAM} == epoch.spent.parts.keys() for epoch in result.epochs)


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_state_alone(digits: ImageData) -> None:
    state, models = torch.get_rng_state(), [small(digits), small(digits)]
    for model in models:
        train(model, digits.train, SETTINGS, schedule=SCHEDULES["set"](), target=Target(ratio=0.5))
    assert torch.equal(models[0][1].weight, models[1][1].weight)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_schedule_ends_at_its_target(name: str, digits: ImageData) -> None:
    model = small(digits)
    result = train(model, digits.train, SETTINGS, schedule=SCHEDULES[name](), target=Target(ratio=0.5))
    assert result.masks.overall_sparsity == 0.5
    assert int((model[1].weight == 0).sum()) == 64 * 16 // 2


class KilledError(BaseException):
    """Ends a training as a kill does."""


@pytest.mark.parametrize("name", ["gradual", "imp", "set"])
def test_a_training_that_was_killed_goes_on_after_the_last_epoch_that_was_kept(
    name: ScheduleName, digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizer.training.checkpoint.EVERY", 0.0)
    monkeypatch.setattr("optimizer.training.checkpoint.SHARE", 1e9)
    settings, epochs = replace(SETTINGS, epochs=4), list[int]()

    def trained(state: Path | None, killed_in: int = 0) -> tuple[nn.Module, Trained]:
        schedule, model = make_schedule(name, None), dropping(digits)
        end_epoch = schedule.end_epoch

        def end(sparse: SparseTraining, epoch: int, of: int) -> None:
            epochs.append(epoch)
            if epoch == killed_in:
                raise KilledError
            end_epoch(sparse, epoch, of)

        monkeypatch.setattr(schedule, "end_epoch", end, raising=False)
        masks = {"schedule": schedule, "target": Target(ratio=0.5)}
        return model, train(model, digits.train, settings, held_out=digits.test, state=state, **masks)

    model, whole = trained(None)
    with pytest.raises(KilledError):
        trained(tmp_path / "one.state", killed_in=3)
    again, rest = trained(tmp_path / "one.state")
    assert epochs == [1, 2, 3, 4, 1, 2, 3, 3, 4]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(again.parameters(), model.parameters(), strict=True))
    told = [(epoch.loss, epoch.training_accuracy, epoch.accuracy) for epoch in whole.epochs]
    assert [(epoch.loss, epoch.training_accuracy, epoch.accuracy) for epoch in rest.epochs] == told
    assert all(epoch.spent.joules > 0 for epoch in rest.epochs)
    assert rest.masks.overall_sparsity == whole.masks.overall_sparsity == 0.5


def dropping(data: ImageData) -> nn.Module:
    """A network that draws numbers as it learns."""
    model = small(data)
    return nn.Sequential(*model[:2], nn.Dropout(0.2), *model[2:])


def test_no_images_are_refused(digits: ImageData) -> None:
    nothing = Images(digits.train.pixels[:0], digits.train.labels[:0])
    with pytest.raises(InputError, match="no images"):
        train(small(digits), nothing, SETTINGS)


@pytest.mark.parametrize("field", ["epochs", "batch_size"])
def test_fewer_than_one_is_refused(field: str, digits: ImageData) -> None:
    with pytest.raises(InputError, match=f"{field}: must be at least 1, got 0"):
        train(small(digits), digits.train, replace(SETTINGS, **{field: 0}))


def test_too_few_epochs_for_a_schedule_are_refused(digits: ImageData) -> None:
    with pytest.raises(InputError, match="too few for this schedule"):
        train(small(digits), digits.train, replace(SETTINGS, epochs=1), schedule=SCHEDULES["imp"](), target=Target())


def test_a_schedule_without_a_target_is_refused(digits: ImageData) -> None:
    with pytest.raises(InputError, match="needs a target"):
        train(small(digits), digits.train, SETTINGS, schedule=SCHEDULES["set"]())


def test_a_loss_that_is_no_number_is_a_failure(digits: ImageData) -> None:
    broken = Images(digits.train.pixels * float("nan"), digits.train.labels)
    with pytest.raises(MachineError, match="the training loss is NaN or infinite; check inputs"):
        train(small(digits), broken, SETTINGS)


def stepped(learner: Learner, batch: Batch) -> tuple[torch.Tensor, Batch]:
    return learner.step(batch), batch


def test_where_nothing_counts_joules_steps_are_counted_and_their_energy_is_that_of_all_they_compute(
    digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[Computed]()
    monkeypatch.setattr(energy, "tell_computed", told.append)
    account = ProcessAccount(torch.device("cpu"), alone=True)
    account.start()
    metering = Metering(account, FLOAT32)
    learner = Learner(net := small(digits), loss=ImageLoss(), optimizer=adam(net))
    for sizes in ((4, 4, 2), (4, 1)):
        metering.begin()
        for size in sizes:
            metering.step(partial(stepped, learner, image_batch(digits.train, torch.device("cpu"), np.arange(size))))
        metering.end()
    account.end()
    forward = 2 * 4 * (64 * 16 + 16 * 16 + 16 * 10)
    of_four = 3 * forward - 2 * 4 * 64 * 16  # less the gradient of the images
    assert [each.flops[FLOAT32] for each in told] == pytest.approx([of_four, of_four * 6 / 4, of_four * 5 / 4])


def test_a_counted_step_is_taken_to_spend_what_the_others_do(digits: ImageData) -> None:
    now, batch = [0.0], four(digits)
    account = ProcessAccount(torch.device("cpu"), alone=True, clock=lambda: now[0])
    account.start()
    metering = Metering(account, FLOAT32)

    def step(seconds: float) -> tuple[torch.Tensor, Batch]:
        now[0] += seconds
        return torch.zeros(()), batch

    metering.begin()
    for seconds in (0.3, 0.05, 0.05):
        metering.step(partial(step, seconds))
    spent = metering.end()
    account.end()
    assert spent.seconds == pytest.approx(0.15)


def test_the_memory_of_a_step_holds_weights_gradients_and_the_optimizers_two_moments(digits: ImageData) -> None:
    model = new_model("mlp-medium", digits.shape, digits.classes, seed=0)
    weights = sum(parameter.nbytes for parameter in model.parameters())
    peak = training_memory_bytes(model, ImageLoss(), four(digits))
    assert 4 * weights <= peak < 5.5 * weights
