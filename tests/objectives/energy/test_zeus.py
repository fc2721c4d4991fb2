from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from meter_contract import EnergyMeterContract

from objectives.energy import zeus
from objectives.energy.meter import CounterResetError, MeterError, MeterUnavailableError
from objectives.energy.zeus import ZeusMeter, zeus_meter
from objectives.measurement import Source


class Monitor:
    """A monitor of zeus for a GPU, two CPUs with memory, and a system on a chip."""

    def __init__(self) -> None:
        self.joules, self.began = 0.0, dict[str, float]()
        self.fails = False

    def begin_window(self, name: str, *, sync_execution: bool) -> None:
        assert not sync_execution
        assert name not in self.began
        self.began[name] = self.joules

    def end_window(self, name: str, *, sync_execution: bool) -> Any:
        if self.fails:
            raise OSError("the daemon went away")
        part = (self.joules - self.began.pop(name)) / 5
        chip = SimpleNamespace(cpu_total_mj=part * 500, gpu_mj=None, dram_mj=part * 500, performance_cores_mj=[7e9])
        return SimpleNamespace(
            gpu_energy={0: part}, cpu_energy={0: part, 1: part}, dram_energy={0: part}, soc_energy=chip
        )


class TestZeus(EnergyMeterContract):
    @pytest.fixture
    def meter(self) -> ZeusMeter:
        self.monitor = Monitor()
        return ZeusMeter(self.monitor, scope="everything", wait=lambda: None)

    def spend(self, joules: float) -> None:
        self.monitor.joules += joules


def test_a_jetson_tells_its_total() -> None:
    monitor = Monitor()
    total = SimpleNamespace(total_energy_mj=3000.0, cpu_energy_mj=1000.0, gpu_energy_mj=1000.0)
    found = SimpleNamespace(gpu_energy={}, cpu_energy=None, dram_energy=None, soc_energy=total)
    monitor.end_window = lambda name, sync_execution: found  # type: ignore[method-assign]
    meter = ZeusMeter(monitor, scope="", wait=lambda: None)
    meter.start()
    assert (meter.stop(), meter.source) == (3.0, Source.ZEUS)


def test_what_fails_midway_and_goes_back_are_errors() -> None:
    monitor = Monitor()
    meter = ZeusMeter(monitor, scope="", wait=lambda: None)
    meter.start()
    monitor.joules = -4.0
    with pytest.raises(CounterResetError, match="went back by 4"):
        meter.stop()
    meter.start()
    monitor.fails = True
    with pytest.raises(MeterError, match="daemon went away"):
        meter.stop()


def test_without_the_package_or_anything_to_read_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zeus, "find_spec", lambda name: None)
    with pytest.raises(MeterUnavailableError, match=r"pip install 'pruning-optimizer\[zeus\]'"):
        zeus_meter(torch.device("cpu"))
    monkeypatch.setattr(zeus, "find_spec", lambda name: name)
    monkeypatch.setattr(zeus, "_may_find_something", lambda: False)
    with pytest.raises(MeterUnavailableError, match="nothing for it to read"):
        zeus_meter(torch.device("cpu"))
