from __future__ import annotations

from pathlib import Path

import pytest

from objectives.energy import choose
from objectives.energy.meter import CounterMeter, MeterUnavailableError
from objectives.measurement import Source
from objectives.peaks import keeps_peaks
from optimizer.doctor import diagnosis, machine
from optimizer.doctor.diagnosis import Diagnosis, diagnose


@pytest.fixture
def found(tmp_path: Path) -> Diagnosis:
    return diagnose(tmp_path / "not" / "yet", listened_s=0.0)


def test_this_machine_is_described_and_every_figure_has_a_source(found: Diagnosis) -> None:
    assert found.processor.usable <= found.processor.processors
    assert 0 < found.memory.available <= found.memory.total
    assert 0 < found.disk.free < found.disk.total
    assert found.devices[0].name == "cpu"
    assert found.backends["torch"]
    figures = {each.figure: each for each in found.figures}
    assert {"FLOPs, parameters, size", "latency on cpu", "energy on cpu", "peak memory on cpu"} <= figures.keys()
    assert {f"energy of work on cpu, {part}" for part in ("CPU", "RAM")} <= figures.keys()
    assert f"steps compute in {found.devices[0].training}" in figures["peak memory of work on cpu"].says
    assert (figures["peak memory of work on cpu"].source == "counted") == keeps_peaks()
    assert all(each.source and each.says for each in found.figures)
    assert Diagnosis.model_validate_json(found.model_dump_json()) == found


def test_meters_are_listed_with_why_not_and_the_first_that_can_be_read_is_the_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def forbidden(_device: object) -> CounterMeter:
        raise MeterUnavailableError("rapl: permission denied")

    def zeus(_device: object) -> CounterMeter:
        return CounterMeter(source=Source.ZEUS, scope="the chip", read=lambda: [0], joules_per_count=1, ranges=[None])

    monkeypatch.setitem(choose.METERS, "cpu", (forbidden, zeus))
    with_meter = diagnose(tmp_path, listened_s=0.0)
    assert [(each.source, each.says) for each in with_meter.meters] == [
        (None, "rapl: permission denied"),
        ("zeus", "the chip"),
    ]
    energy = next(each for each in with_meter.figures if each.figure == "energy on cpu")
    assert (energy.source, energy.says) == ("zeus", "the chip; windows of 3 s in turn, 5 to 10 of each model")
    assert ["`optimize calibrate` for the `device` cpu" in text for text in with_meter.advice if "energy" in text] == [
        True
    ]
    monkeypatch.setitem(choose.METERS, "cpu", (forbidden,))
    without = diagnose(tmp_path, listened_s=0.0)
    assert any("modelled (rapl: permission denied" in advice for advice in without.advice)


def test_a_container_leaves_a_share_of_the_processors_and_of_the_memory(tmp_path: Path) -> None:
    assert machine.usable_processors(tmp_path) >= 1
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text("1073741824\n")
    assert machine.usable_processors(tmp_path) == 0.5
    assert machine.memory(tmp_path).limit == 2**30
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.usable_processors(tmp_path) >= 1
    assert machine.memory(tmp_path).limit is None


def test_advice_follows_from_what_was_found(found: Diagnosis) -> None:
    weak = found.processor.model_copy(update={"governor": "powersave", "threads": 8, "usable": 2.0, "int8": ()})
    timing = diagnosis._for_timing(weak, "1.0 processors at work for other programs")
    assert [text.split(" ")[0] for text in timing] == ["this", "the", "torch"]
    assert "`threads` 2" in timing[-1]
    lacking = diagnosis._for_backends(weak, {"onnxruntime": None, "torch-compile": None})
    assert [
        words for words, said in zip(("[onnx]", "install g++", "VNNI"), lacking, strict=True) if words not in said
    ] == []
    small = found.memory.model_copy(update={"limit": 2**20})
    assert len(diagnosis._for_room(small, found.disk.model_copy(update={"free": 5}))) == 2
    quiet = found.processor.model_copy(update={"governor": "performance", "threads": 1, "int8": ("avx512_vnni",)})
    assert (
        diagnosis._for_timing(quiet, None)
        == diagnosis._for_backends(quiet, {"onnxruntime": "1", "torch-compile": "/usr/bin/g++"})
        == []
    )
