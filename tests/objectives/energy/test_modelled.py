from __future__ import annotations

import pytest

from objectives.energy.modelled import ENERGY_MODELS, model_conditions, modelled_energy

WORK = {"flops": 1e9, "bytes_moved": 1e8, "seconds": 0.01}


def test_joules_are_the_three_terms() -> None:
    model = ENERGY_MODELS["cpu"]
    expected = 1e9 * model.flop_j + 1e8 * model.byte_j + 0.01 * model.static_w * 2
    assert modelled_energy(**WORK, device_kind="cpu", threads=2) == pytest.approx(expected)


def test_constants_are_those_of_the_sources() -> None:
    cpu, gpu = ENERGY_MODELS["cpu"], ENERGY_MODELS["cuda"]
    assert cpu.flop_j == pytest.approx((1.31 + 0.38) / 2 * 1e-12 + 70e-12 / 2.6 / 16)
    assert gpu.flop_j == pytest.approx((1.31 + 0.38) / 2 * 1e-12 + 70e-12 / 2.6 / 64)
    assert (cpu.byte_j, gpu.byte_j) == pytest.approx((162.5e-12, 43.75e-12))
    assert (cpu.static_w, gpu.static_w) == (0.74, 46.0)


@pytest.mark.parametrize("term", ["flops", "bytes_moved", "seconds"])
@pytest.mark.parametrize("device_kind", ENERGY_MODELS)
def test_more_of_anything_costs_more(term: str, device_kind: str) -> None:
    more = {**WORK, term: 2 * WORK[term]}
    assert modelled_energy(**more, device_kind=device_kind) > modelled_energy(**WORK, device_kind=device_kind)


def test_a_gpus_rest_is_not_multiplied_by_cpu_threads() -> None:
    energies = {modelled_energy(**WORK, device_kind="cuda", threads=threads) for threads in (1, 8)}
    assert len(energies) == 1


def test_an_unknown_device_is_never_a_silent_zero() -> None:
    with pytest.raises(ValueError, match="no model of device 'tpu'"):
        modelled_energy(**WORK, device_kind="tpu")


def test_figures_keep_their_constants() -> None:
    assert model_conditions("cpu")["static_w"] == 0.74
    assert "Horowitz" in model_conditions("cpu")["constants"]
