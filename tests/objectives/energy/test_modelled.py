from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from objectives.caches import Cache
from objectives.energy.choose import MeterChoice
from objectives.energy.computed import NOTHING, Computed, Traffic
from objectives.energy.hardware import AVERAGE, CPUS, GPUS, cpu_power, gpu_power
from objectives.energy.measure import Work, measure_energy
from objectives.energy.modelled import DRAWS, EnergyModel, level_shares, model_of
from objectives.energy.profiles import FAR, MEMORY, NEAR, Constant, cpu_profile, gpu_profile
from objectives.energy.windows import WindowPlan
from objectives.measurement import Interval, Measurement, Source

CACHES = (Cache(1, 2**15, 1), Cache(2, 2**20, 1), Cache(3, 32 * 2**20, 2))
CPU = cpu_profile(CPUS["epyc-2"], ("avx2",), CACHES)
MIB = 2**20
WORK = Computed.of(1e9, Traffic(outside=100 * MIB, footprint=110 * MIB, inside={2**16: 5 * MIB}))


def test_joules_are_power_arithmetic_and_bytes() -> None:
    model = EnergyModel(CPU, threads=2)
    power = 0.01 * 2 * (0.47 + 0.5 * (1.69 - 0.47))
    arithmetic = 1e9 * ((1.31 + 0.38) / 2 + 70 / 2.6 / 16) * 1e-12
    near = 5 * MIB * 14 / 8 * 1e-12
    memory = 100 * MIB * (1300 * 2600) ** 0.5 / 8 * 1e-12
    assert model.joules(WORK, 0.01) == pytest.approx(power + arithmetic + near + memory)
    assert model.parts(WORK, 0.01) == pytest.approx((power + arithmetic + near, memory))


@pytest.mark.parametrize(
    ("footprint", "level"), [(MIB / 2, NEAR), (2 * MIB, FAR), (30 * MIB, FAR), (65 * MIB, MEMORY), (10**12, MEMORY)]
)
def test_weights_come_from_where_all_that_a_pass_touches_still_fits(footprint: float, level: str) -> None:
    shares = level_shares(Traffic(1000.0, footprint), CPU.sizes)
    assert shares == {**dict.fromkeys((NEAR, FAR, MEMORY), 0.0), level: 1000.0}


def test_between_two_levels_each_gives_a_share() -> None:
    shares = level_shares(Traffic(1000.0, 1.5 * MIB), CPU.sizes)
    assert shares == {NEAR: 500.0, FAR: 500.0, MEMORY: 0.0}


def test_fewer_bits_and_wider_instructions_cost_less() -> None:
    plain, wide = CPU, cpu_profile(CPUS["epyc-3"], ("avx512_f", "avx512_vnni", "avx512_bf16"), CACHES)
    for profile in (plain, wide):
        joules = {kind: profile.flop_j[kind].value for kind in profile.flop_j}
        assert joules["int8"] < joules["bfloat16"] <= joules["float16"] < joules["float32"]
    assert all(wide.flop_j[kind].value < plain.flop_j[kind].value for kind in plain.flop_j)
    amx = cpu_profile(CPUS["skylake"], ("avx512_f", "amx_int8", "amx_bf16"), CACHES)
    assert amx.flop_j["int8"].value < wide.flop_j["int8"].value
    assert CPU.flop("float64") == "float32"


def test_a_gpus_power_is_its_boards_whatever_the_threads() -> None:
    profile = gpu_profile(GPUS["A100"])
    assert {EnergyModel(profile, threads).joules(WORK, 0.01) for threads in (1, 8)} == {
        EnergyModel(profile).joules(WORK, 0.01)
    }
    assert EnergyModel(profile).joules(NOTHING, 1.0) == pytest.approx(46 + 0.5 * (407 - 46))


@pytest.mark.parametrize("change", ["seconds", "flops", "outside", "footprint", "inside"])
def test_more_of_anything_costs_more(change: str) -> None:
    traffic = Traffic(10 * MIB, 20 * MIB, {2**16: MIB})
    more = {
        "flops": Computed.of(2e9, traffic),
        "outside": Computed.of(1e9, replace(traffic, outside=20 * MIB)),
        "footprint": Computed.of(1e9, replace(traffic, footprint=80 * MIB)),
        "inside": Computed.of(1e9, replace(traffic, inside={2**16: 2 * MIB})),
    }
    model = EnergyModel(CPU)
    less = model.joules(Computed.of(1e9, traffic), 0.01)
    assert model.joules(more.get(change, Computed.of(1e9, traffic)), 0.02 if change == "seconds" else 0.01) > less


def test_draws_scatter_around_the_likeliest_as_far_as_the_constants_do() -> None:
    model = EnergyModel(CPU)
    draws = model.draws(WORK, np.full(DRAWS, 0.01))
    assert np.median(draws) == pytest.approx(model.joules(WORK, 0.01), rel=0.15)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert 1.3 < high / low < 5
    assert np.array_equal(draws, model.draws(WORK, np.full(DRAWS, 0.01)))
    unknown = EnergyModel(cpu_profile(AVERAGE, (), CACHES)).draws(NOTHING, np.ones(DRAWS))
    known = EnergyModel(CPU).draws(NOTHING, np.ones(DRAWS))
    assert np.std(np.log(unknown)) > np.std(np.log(known))


def test_the_processor_is_recognised(tmp_path: Path) -> None:
    def of(**lines: str) -> str:
        named = {"vendor_id": "vendor_id", **{name: name.replace("_", " ") for name in lines if name != "vendor_id"}}
        text = "".join(f"{named[name]}\t: {value}\n" for name, value in lines.items())
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{text}\nprocessor\t: 1\n")
        return cpu_power(tmp_path / "cpuinfo").name

    assert of(vendor_id="GenuineIntel", cpu_family="6", model="85", stepping="4") == "Skylake"
    assert of(vendor_id="GenuineIntel", cpu_family="6", model="85", stepping="7") == "Cascade Lake"
    assert of(vendor_id="AuthenticAMD", cpu_family="23", model="49") == "EPYC of the second generation"
    assert "newer EPYC" in of(vendor_id="AuthenticAMD", cpu_family="25", model="17")
    assert of(CPU_implementer="0x41", CPU_part="0xd0c").startswith("Graviton 2")
    assert of(vendor_id="GenuineIntel", cpu_family="6", model="143") == AVERAGE.name
    assert cpu_power(tmp_path / "missing") is AVERAGE
    assert (gpu_power("NVIDIA A100-SXM4-40GB").name, gpu_power("Tesla T4").busy) == ("A100", 71.0)
    by_limit = gpu_power("NVIDIA H100 80GB HBM3", 700.0)
    assert (by_limit.busy, by_limit.known) == (700.0, False)
    assert not gpu_power("NVIDIA H100 80GB HBM3").known


def test_an_unknown_device_is_never_a_silent_zero() -> None:
    with pytest.raises(ValueError, match="no model of device 'xpu'"):
        model_of(torch.device("xpu"))
    with pytest.raises(ValidationError, match="lower <= value <= upper"):
        Constant(value=1, lower=2, upper=3)


def latency(seconds: float, *, scatter: float = 0.01) -> Measurement:
    samples = tuple(seconds * np.exp(scatter * np.random.default_rng(round(1e6 * seconds)).normal(size=20)))
    return Measurement(
        quantity="latency",
        value=seconds,
        unit="s",
        source=Source.MEASURED,
        interval=Interval(lower=seconds * 0.99, upper=seconds * 1.01),
        samples=samples,
        conditions={"batch": 1, "threads": 1},
    )


def compared_energies(**works: tuple[float, Computed]) -> Callable[[str], Measurement]:
    made = {
        name: Work(run=pytest.fail, inferences=1, latency=latency(seconds), computed=computed)
        for name, (seconds, computed) in works.items()
    }
    choice = MeterChoice(device=torch.device("cpu"), meter=None, reason="modelled, since this is a test")
    found = measure_energy(made, choice, dense="dense", plan=WindowPlan(rng=np.random.default_rng(0)))
    return lambda name: found[name].ratio


def test_equal_seconds_and_unequal_traffic_or_bits_are_unequal_energy() -> None:
    far = Traffic(90 * MIB, 90 * MIB)
    ratio = compared_energies(
        dense=(0.01, Computed.of(3e9, far)),
        lean=(0.01, Computed.of(3e9, Traffic(20 * MIB, 20 * MIB))),
        integers=(0.01, Computed.of(3e9, far, "int8")),
    )
    assert ratio("lean").interval.upper < 1
    assert ratio("integers").interval.upper < 1
    assert ratio("lean").value < ratio("integers").value


def test_the_ratios_interval_is_wide_where_the_model_does_not_know_and_narrow_where_all_is_halved() -> None:
    half = Computed.of(0.5e9, WORK.traffic.times(0.5))
    ratio = compared_energies(dense=(0.01, WORK), half=(0.005, half), copy=(0.010001, WORK), slow=(0.02, half))
    assert ratio("half").value == pytest.approx(0.5, rel=0.01)
    assert ratio("half").interval.upper - ratio("half").interval.lower < 0.03
    assert ratio("copy").interval.lower < 1 < ratio("copy").interval.upper
    width = ratio("slow").interval.upper / ratio("slow").interval.lower
    assert width > 1.2  # more seconds and fewer bytes: which counts more is not known
