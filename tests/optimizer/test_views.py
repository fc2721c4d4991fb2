"""What a member's figures claim: a gain is one only outside the noise of its measurement."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console
from stored_studies import put_study

from api.cli.render import print_front
from objectives.measurement import Interval, Measurement, Source
from optimizer.fronts import front_of
from studies.opening import open_store


@pytest.mark.parametrize(("upper", "kernels", "gain"), [(0.99, "", True), (1.01, "", False), (0.99, "dense", False)])
def test_energy_is_no_gain_where_its_interval_reaches_1(upper: float, kernels: str, gain: bool, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    study = put_study(store, "s", candidates=[(0.0, 0.5)])
    (candidate,) = store.candidates(study.id)
    common = {"value": 0.95, "source": Source.NVML, "n": 3, "interval": Interval(lower=0.9, upper=upper)}
    named = {"energy": "J", "energy_ratio": "ratio"}.items()
    conditions = {"kernels": kernels} if kernels else {}
    found = [Measurement(quantity=name, unit=unit, conditions=conditions, **common) for name, unit in named]
    store.add_measurements(candidate.id, found)
    front = front_of(study, store.candidates(study.id))
    store.close()
    (member,) = front.items
    assert (member.energy_gain, member.energy_ratio) == (gain, 0.95)
    printed = Console(width=200)
    with printed.capture() as said:
        print_front(front, printed, resume="optimize resume")
    assert ("no gain" in said.get()) is not gain
