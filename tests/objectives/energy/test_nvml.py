from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
from meter_contract import EnergyMeterContract

from objectives.energy.meter import CounterMeter, MeterError, MeterUnavailableError
from objectives.energy.nvml import counter_of, nvml_meter, nvml_power_meter, power_limit_w, power_of
from objectives.energy.sampled import PowerMeter
from objectives.measurement import Source


def wait() -> None:
    """Nothing is queued."""


class Driver:
    """The functions of an NVIDIA driver with three GPUs: the second is ours, the third is cut into slices."""

    NVML_FI_DEV_POWER_INSTANT, NVML_SUCCESS, NVML_TEMPERATURE_GPU = 186, 0, 0
    SLICES: ClassVar = {"MIG-s1": "GPU-cc"}

    class NVMLError(Exception):
        pass

    def __init__(self, *, counts: bool = True, instant: bool = True, driver: bool = True) -> None:
        self.energy_mj = {"GPU-aa": 1_000_000, "GPU-bb": 2_000_000, "GPU-cc": 3_000_000}
        self.milliwatts = dict.fromkeys(self.energy_mj, 0)
        self.counts, self.instant, self.driver = counts, instant, driver
        self.powered = True
        self.started = False

    def nvmlInit(self) -> None:  # noqa: N802
        if not self.driver:
            raise self.NVMLError("Shared Library Not Found")
        self.started = True

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        if not self.started or uuid not in {**self.energy_mj, **self.SLICES}:
            raise self.NVMLError("Not Found")
        return uuid

    def nvmlDeviceGetMigMode(self, handle: str) -> list[int]:  # noqa: N802
        if handle == "GPU-aa":
            raise self.NVMLError("Not Supported")
        return [int(handle == "GPU-cc"), 0]

    def nvmlDeviceGetName(self, handle: str) -> str:  # noqa: N802
        return f"Model {handle}"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        if not self.counts:
            raise self.NVMLError("Not Supported")
        return self.energy_mj[handle]

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: str) -> int:  # noqa: N802
        return 700_000

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:  # noqa: N802
        if not self.powered:
            raise self.NVMLError("GPU is lost")
        return self.milliwatts[handle]

    def nvmlDeviceGetFieldValues(self, handle: str, fields: list[int]) -> list[SimpleNamespace]:  # noqa: N802
        assert fields == [186]
        value = ctypes.c_uint(self.milliwatts[handle])
        return [SimpleNamespace(nvmlReturn=0 if self.instant else 3, value=SimpleNamespace(uiVal=value.value))]

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:  # noqa: N802
        return 40 if handle == "GPU-aa" else 71

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: str) -> int:  # noqa: N802
        return 0x1 if handle == "GPU-aa" else 0x44


class TestNvml(EnergyMeterContract):
    @pytest.fixture
    def meter(self) -> CounterMeter:
        self.driver = Driver()
        return counter_of(self.driver, ["bb"], wait=wait)

    def spend(self, joules: float) -> None:
        self.driver.energy_mj["GPU-aa"] += 77_000
        self.driver.energy_mj["GPU-bb"] += round(joules * 1000)


class TestNvmlPower(EnergyMeterContract):
    @pytest.fixture
    def meter(self) -> PowerMeter:
        self.driver, self.now = Driver(counts=False), 0.0
        self.power = power_of(self.driver, ["bb"], wait=wait, period_s=None, clock=lambda: self.now)
        return self.power

    def spend(self, joules: float) -> None:
        self.driver.milliwatts["GPU-bb"] = round(joules * 2000)
        self.power.sample()
        self.now += 0.5
        self.power.sample()
        self.driver.milliwatts["GPU-bb"] = 0
        self.power.sample()


def test_devices_are_found_by_uuid_and_several_are_summed_up() -> None:
    driver = Driver()
    meter = counter_of(driver, ["bb", "aa"], wait=wait)
    assert meter.scope == "whole board of Model GPU-bb, Model GPU-aa, all its processes"
    assert meter.source is Source.NVML
    meter.start()
    driver.energy_mj |= {"GPU-aa": 1_002_000, "GPU-bb": 2_001_000, "GPU-cc": 9_000_000}
    assert meter.stop() == pytest.approx(3)


@pytest.mark.parametrize(
    ("driver", "uuid", "reason"),
    [
        (Driver(), "s1", "is a MIG slice, which has no counter of its own"),
        (Driver(), "cc", "is a MIG slice, which has no counter of its own"),
        (Driver(), "ff", "no GPU ff: Not Found"),
        (Driver(counts=False), "aa", "Not Supported; it needs Volta"),
        (Driver(driver=False), "aa", "Shared Library Not Found; it comes with the NVIDIA driver"),
    ],
)
def test_what_cannot_be_counted_is_unavailable_for_a_reason(driver: Driver, uuid: str, reason: str) -> None:
    with pytest.raises(MeterUnavailableError, match=reason):
        counter_of(driver, [uuid], wait=wait)


def test_a_driver_that_fails_midway_is_an_error() -> None:
    driver = Driver()
    counter, power = counter_of(driver, ["aa"], wait=wait), power_of(driver, ["aa"], wait=wait, period_s=None)
    counter.start()
    driver.counts = False
    with pytest.raises(MeterError, match="Not Supported"):
        counter.stop()
    driver.instant = driver.powered = False
    with pytest.raises(MeterError, match="GPU is lost"):
        power.start()


def test_power_is_that_of_now_where_the_driver_tells_it() -> None:
    for instant in (True, False):
        driver = Driver(instant=instant)
        driver.powered = not instant  # the other function, which gives the mean of a second, would fail
        assert power_of(driver, ["aa"], wait=wait).source is Source.NVML_POWER


def test_the_state_names_what_slows_a_gpu_down() -> None:
    assert counter_of(Driver(), ["bb"], wait=wait).state() == (71.0, ("power limit", "hardware thermal limit"))
    assert counter_of(Driver(), ["aa"], wait=wait).state() == (40.0, ())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_the_real_counter_is_the_integral_of_the_real_power() -> None:
    device = torch.device("cuda", 0)
    counter, power = nvml_meter(device), nvml_power_meter(device)
    square = torch.randn(4096, 4096, device=device)
    counter.start()
    power.start()
    for _ in range(3000):
        square = (square @ square).clamp(-1, 1)
    summed, counted = power.stop(), counter.stop()
    assert counted == pytest.approx(summed, rel=0.05)
    assert counted > 0


@pytest.mark.parametrize(("uuid", "limit"), [("bb", 700.0), ("cc", None), ("dd", None)])
def test_the_power_limit_is_the_boards_and_a_slice_has_none(
    uuid: str, limit: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("objectives.energy.nvml._uuids", lambda _: [uuid])
    assert power_limit_w(torch.device("cuda"), Driver()) == limit  # type: ignore[arg-type]  # stands for the module
