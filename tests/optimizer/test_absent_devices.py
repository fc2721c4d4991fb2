"""A device that this machine lacks is refused with those that it has."""

from __future__ import annotations

import pytest
import torch

from objectives.energy import choose
from objectives.energy.meter import MeterUnavailableError
from optimizer.device import check_device, check_meter
from optimizer.errors import InputError


@pytest.mark.parametrize(
    ("name", "count", "use"), [("cuda", 0, "use cpu"), ("cuda:3", 1, "use cuda:0 or cpu"), ("cuda:2", 2, "cuda:1 or")]
)
def test_an_absent_gpu_is_refused_with_what_is_here(
    name: str, count: int, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(InputError, match=f"'{name}' is not here; .*{use}"):
        check_device(name)


def test_a_device_whose_energy_cannot_be_measured_is_refused_where_that_is_required(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unavailable(device: torch.device) -> None:
        raise MeterUnavailableError("rapl: only root may read it")

    monkeypatch.setitem(choose.METERS, "cpu", (unavailable,))
    with pytest.raises(InputError, match=r"no energy meter of cpu can be read: rapl: only root may") as refused:
        check_meter(torch.device("cpu"))
    assert refused.value.field == "require_measured_energy"
