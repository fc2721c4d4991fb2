"""The history of a training from its epochs to what is shown: nothing of it is lost in the store."""

from __future__ import annotations

from pathlib import Path

import pytest
from stored_studies import put_study

from objectives.energy.spent import Joules, Spent
from objectives.measurement import Source
from optimizer.fronts.result import result_of
from optimizer.training.history import Learnt, of_epochs
from optimizer.views.trainings import kept_with_training, measured_training, training_measurements, training_view
from studies.opening import open_store


def spent(joules: float, *, resident: int, cuda: int | None = None) -> Spent:
    parts = {
        "CPU": Joules(joules=joules, source="rapl", counts_all=True),
        "GPU": Joules(joules=3 * joules, source="nvml-counter", counts_all=True),
        "RAM": Joules(joules=1.0, source="modelled", counts_all=False),
    }
    return Spent(seconds=5.0, own_cpu_s=1.0, all_cpu_s=2.0, resident_bytes=resident, peak_cuda_bytes=cuda, parts=parts)


EPOCHS = [spent(10.0, resident=7, cuda=4), spent(20.0, resident=5, cuda=6)]


def test_each_epoch_is_shown_as_it_was_and_their_sum_in_every_unit(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    measured = training_measurements(of_epochs(EPOCHS, 100), of=100, conditions={"weights": "abc"})
    study = put_study(store, "s", candidates=[(0.0, 0.5), (0.01, 0.4)], more=measured)
    result = result_of(study, store)
    store.close()
    training = result.front[0].training
    assert training is not None
    assert (training.joules, training.wh, training.kwh) == pytest.approx((122.0, 122 / 3600, 122 / 3.6e6))
    assert training.own_joules == 15.0 + 90.0 + 2.0  # half of the processor's, all of the GPU's and what is modelled
    assert (training.seconds, training.resident_bytes, training.peak_cuda_bytes) == (10.0, 7, 6)
    second = training.epochs[1]
    assert (second.epoch, second.of_epoch, second.joules, second.resident_bytes) == (2, 1.0, 81.0, 5)
    assert {part.part: (part.joules, part.own_joules, part.source) for part in second.parts} == {
        "CPU": (20.0, 10.0, "rapl"), "GPU": (60.0, 60.0, "nvml-counter"), "RAM": (1.0, 1.0, "modelled"),
    }  # fmt: skip
    assert result.front[0].in_a_list.training == training.model_copy(update={"epochs": ()})
    trained = result.trained
    assert trained is not None
    assert (trained.candidates, trained.epochs, trained.joules, trained.seconds) == (2, 4.0, 244.0, 20.0)
    assert result.front[0].training_energy_j == 122.0


def test_parts_of_an_epoch_and_what_an_older_version_left() -> None:
    half = (Learnt(epoch=1, examples=50, spent=EPOCHS[0]),)
    view = training_view(training_measurements(half, of=100))
    assert view is not None
    assert [epoch.of_epoch for epoch in view.epochs] == [0.5]
    assert measured_training(kept_with_training(half)) == training_measurements(half, of=50)
    older = measured_training({"seconds": "2.5", "joules": "7.0", "energy_source": "rapl"})
    assert [(each.quantity, each.value, each.source) for each in older] == [
        ("training_time", 2.5, Source.MEASURED), ("training_energy", 7.0, Source.RAPL),
    ]  # fmt: skip
    assert training_view(older) is None
    assert measured_training({}) == []
