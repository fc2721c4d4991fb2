from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from command_line import Done, run_here

from objectives.energy.meter import MeterUnavailableError
from optimizer.doctor import diagnosis


@pytest.fixture(autouse=True)
def _does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "LISTENED_S", 0.0)


def doctor(place: Path, *arguments: str) -> Done:
    return run_here([*arguments, "doctor"], environment={**os.environ}, directory=place)


def test_the_machine_is_shown_to_people_and_as_json(tmp_path: Path) -> None:
    shown = doctor(tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "energy meter of" in shown.stdout
    found = json.loads(doctor(tmp_path, "--json").stdout)
    assert found["schema_version"] == 1
    assert found["processor"]["processors"] >= 1
    assert {"latency on cpu", "energy on cpu"} <= {each["figure"] for each in found["figures"]}


def test_advice_names_options_as_they_are_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "_for_backends", lambda *_: ["use one thread (`threads` 1)"])
    assert "- use one thread (--threads 1)" in doctor(tmp_path).stdout


def test_it_works_on_this_machine_alone(tmp_path: Path) -> None:
    refused = doctor(tmp_path, "--server", "http://localhost:1")
    assert refused.returncode == 2
    assert "works on this machine" in refused.stderr


def test_energy_is_not_calibrated_where_no_meter_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: torch.device) -> None:
        raise MeterUnavailableError("rapl: no CPU package")

    monkeypatch.setattr("optimizer.measuring.calibration.meter_of", none)
    refused = run_here(["calibrate"], environment={**os.environ}, directory=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(
        "error: --device: no energy meter of cpu can be read, so nothing can be fitted: rapl"
    )
