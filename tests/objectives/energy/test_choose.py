from __future__ import annotations

import pytest
import torch

from objectives.energy.choose import choose_meter
from objectives.energy.meter import CounterMeter, MeterUnavailableError
from objectives.measurement import Source

CPU = torch.device("cpu")


def unavailable(device: torch.device) -> CounterMeter:
    raise MeterUnavailableError(f"no key to the counter of {device}")


def available(device: torch.device) -> CounterMeter:
    return CounterMeter(source=Source.RAPL, scope=f"{device}", read=lambda: [0], joules_per_count=1, ranges=[None])


def test_the_first_meter_that_can_be_read_is_taken() -> None:
    choice = choose_meter(CPU, {"cpu": (unavailable, available)})
    assert choice.meter is not None
    assert (choice.source, choice.scope) == (Source.RAPL, "cpu")
    assert choice.reason == "rapl can be read: cpu"


def test_without_any_energy_is_modelled_and_every_refusal_is_told() -> None:
    choice = choose_meter(CPU, {"cpu": (unavailable, unavailable)})
    assert choice.meter is None
    assert choice.source is Source.MODELLED
    assert choice.reason.count("no key to the counter of cpu") == 2


def test_a_device_without_meters_is_modelled() -> None:
    assert choose_meter(torch.device("xpu")).reason == "modelled, since no counter is known for xpu"


def test_this_machine_gets_an_answer_and_a_reason() -> None:
    choice = choose_meter(CPU)
    assert choice.source in (Source.RAPL, Source.MODELLED)
    assert choice.reason


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_real_gpu_has_its_counter() -> None:
    assert choose_meter(torch.device("cuda", 0)).source is Source.NVML
