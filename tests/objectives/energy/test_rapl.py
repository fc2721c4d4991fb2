from __future__ import annotations

from pathlib import Path

import pytest
from meter_contract import EnergyMeterContract

from objectives.energy.meter import CounterMeter, MeterUnavailableError
from objectives.energy.rapl import DRAM, PACKAGE, rapl_meter
from objectives.measurement import Source

RANGE = 262_143_328_850


def zone(root: Path, folder: str, name: str, energy: int = 0) -> Path:
    path = root / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{energy}\n")
    (path / "max_energy_range_uj").write_text(f"{RANGE}\n")
    return path


class TestRapl(EnergyMeterContract):
    @pytest.fixture
    def meter(self, tmp_path: Path) -> CounterMeter:
        self.zone = zone(tmp_path, "intel-rapl:0", "package-0", energy=RANGE - 6_000_000)  # comes round on the way
        return rapl_meter(tmp_path)

    def spend(self, joules: float) -> None:
        counter = self.zone / "energy_uj"
        counter.write_text(str((int(counter.read_text()) + round(joules * 1e6)) % RANGE))


def test_packages_and_their_memory_are_summed_and_nothing_twice(tmp_path: Path) -> None:
    zones = {
        "intel-rapl:0": "package-0",
        "intel-rapl:1": "package-1",
        "intel-rapl:2": "psys",
        "intel-rapl:0:0": "core",
        "intel-rapl:0:1": "dram",
        "intel-rapl:2:0": "dram",
        "intel-rapl-mmio:0": "package-0",
        "dtpm": "package-9",
    }
    paths = {folder: zone(tmp_path, folder, name) for folder, name in zones.items()}
    meters = [rapl_meter(tmp_path), *(rapl_meter(tmp_path, frozenset({part})) for part in (PACKAGE, DRAM))]
    for meter in meters:
        meter.start()
    for path in paths.values():
        (path / "energy_uj").write_text("1000000")
    assert [meter.stop() for meter in meters] == pytest.approx([3, 2, 1])
    assert [meter.scope for meter in meters] == [
        "CPU package-0, package-0 dram, package-1, all processes of the machine",
        "CPU package-0, package-1 without memory, all processes of the machine",
        "CPU package-0 dram, all processes of the machine",
    ]
    assert meters[0].source is Source.RAPL


def test_a_processor_whose_memory_is_not_counted_says_so(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0")
    with pytest.raises(MeterUnavailableError, match="no memory of a CPU below"):
        rapl_meter(tmp_path, frozenset({DRAM}))


@pytest.mark.parametrize("root", ["missing", "."])
def test_a_machine_without_packages_says_so(tmp_path: Path, root: str) -> None:
    with pytest.raises(MeterUnavailableError, match="no CPU package below"):
        rapl_meter(tmp_path / root)


def test_a_forbidden_counter_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbidden = zone(tmp_path, "intel-rapl:0", "package-0") / "energy_uj"
    read_text = Path.read_text

    def guarded(path: Path, *args: object, **kwargs: object) -> str:
        if path == forbidden:  # file modes do not stop root, who may be running this
            raise PermissionError(13, "Permission denied")
        return read_text(path)

    monkeypatch.setattr(Path, "read_text", guarded)
    with pytest.raises(MeterUnavailableError, match=r"permission denied for .*energy_uj: since 2020 only root .*chmod"):
        rapl_meter(tmp_path)


def test_a_broken_counter_is_unavailable(tmp_path: Path) -> None:
    broken = zone(tmp_path, "intel-rapl:0", "package-0")
    (broken / "energy_uj").write_text("soon")
    with pytest.raises(MeterUnavailableError, match="'soon', not a count"):
        rapl_meter(tmp_path)
    (broken / "energy_uj").unlink()
    with pytest.raises(MeterUnavailableError, match="cannot be read"):
        rapl_meter(tmp_path)
