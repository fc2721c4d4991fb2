from __future__ import annotations

import pytest
import torch
from meter_contract import EnergyMeterContract

from objectives.energy.meter import CounterMeter, MeterError, MeterUnavailableError
from objectives.energy.nvml import meter_of, nvml_meter
from objectives.measurement import Source

CPU = torch.device("cpu")  # waits for nothing, as a device in a test should


class Driver:
    """An NVIDIA driver with two GPUs, the second of them ours."""

    class NVMLError(Exception):
        pass

    def __init__(self, *, counts: bool = True) -> None:
        self.energy_mj = {"GPU-aa": 1_000_000, "GPU-bb": 2_000_000}
        self.counts = counts
        self.started = False

    def nvmlInit(self) -> None:  # noqa: N802
        self.started = True

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        if not self.started or uuid not in self.energy_mj:
            raise self.NVMLError("Not Found")
        return uuid

    def nvmlDeviceGetName(self, handle: str) -> str:  # noqa: N802
        return f"Model {handle}"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        if not self.counts:
            raise self.NVMLError("Not Supported")
        return self.energy_mj[handle]


class TestNvml(EnergyMeterContract):
    @pytest.fixture
    def meter(self) -> CounterMeter:
        self.driver = Driver()
        return meter_of(self.driver, CPU, uuid="bb")

    def spend(self, joules: float) -> None:
        self.driver.energy_mj["GPU-aa"] += 77_000
        self.driver.energy_mj["GPU-bb"] += round(joules * 1000)


def test_the_device_is_found_by_uuid_not_by_number() -> None:
    meter = meter_of(Driver(), CPU, uuid="bb")
    assert meter.scope == "whole board of Model GPU-bb, all its processes"
    assert meter.source is Source.NVML


@pytest.mark.parametrize(("driver", "uuid"), [(Driver(), "a-slice"), (Driver(counts=False), "aa")])
def test_a_slice_and_an_old_gpu_are_unavailable_for_a_reason(driver: Driver, uuid: str) -> None:
    with pytest.raises(MeterUnavailableError, match=r"Not (Found|Supported); needs Volta"):
        meter_of(driver, CPU, uuid=uuid)


def test_a_driver_that_fails_midway_is_an_error() -> None:
    driver = Driver()
    meter = meter_of(driver, CPU, uuid="aa")
    meter.start()
    driver.counts = False
    with pytest.raises(MeterError, match="Not Supported"):
        meter.stop()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_the_real_counter_moves_under_work() -> None:
    meter = nvml_meter(torch.device("cuda", 0))
    square = torch.randn(4096, 4096, device="cuda")
    meter.start()
    for _ in range(300):
        square = (square @ square).clamp(-1, 1)
    assert meter.stop() > 0
