"""Calibration on a machine whose true constants are known: what is fitted, how well, and what it then ranks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from replay import Hardware

from objectives.energy import probes as probing
from objectives.energy.calibrated import Calibration, calibration_of, place_of
from objectives.energy.computed import Computed, Traffic
from objectives.energy.fit import Metered, fitted
from objectives.energy.meter import MeterError, MeterUnavailableError
from objectives.energy.modelled import EnergyModel, model_of, published_profile
from objectives.energy.probes import Probe, probes
from objectives.energy.profiles import FAR, MEMORY, NEAR
from objectives.energy.windows import WindowPlan
from objectives.rounds import Run
from optimizer.errors import InputError, MachineError
from optimizer.measuring import calibration
from optimizer.measuring.calibration import PACE, calibrate, calibrated

CPU = torch.device("cpu")
THREADS = 2
TRUE = {"awake": 0.6, "float32": 8.0, "bfloat16": 6.0, "int8": 8.0, NEAR: 6.0, FAR: 8.0, MEMORY: 3.0}
MIB = 2.0**20
NEAR_B, FAR_B = published_profile(CPU).sizes
AT = {NEAR: NEAR_B / 2, FAR: FAR_B / 2, MEMORY: 4 * FAR_B}  # footprints of what is read from there


def read(moved: float, level: str, flops: float = 0.0, precision: str = "float32") -> Computed:
    return Computed.of(flops, Traffic(moved, AT[level], {round(NEAR_B / 4): moved / 20}), precision)


WORKS = {  # of 20 ms and of 60 ms
    "products": read(50 * MIB, NEAR, 2e9),
    "larger products": read(100 * MIB, FAR, 3e9),
    "products in bfloat16": read(50 * MIB, NEAR, 6e9, "bfloat16"),
    "sums, near": read(1500 * MIB, NEAR),
    "sums, far": read(600 * MIB, FAR),
    "sums, memory": read(250 * MIB, MEMORY),
    "weights, far": read(400 * MIB, FAR, 2e8),
    "weights, memory": read(200 * MIB, MEMORY, 1e8),
    "weights, 16 examples": read(150 * MIB, MEMORY, 1.2e9),
    "next to nothing": read(MIB, NEAR),
    "attention": read(200 * MIB, FAR, 8e8),
    "neurons": read(100 * MIB, FAR, 1.5e9),
}


class World:
    """A replayed machine that draws what its true constants say, give or take a share that no model knows."""

    def __init__(self, unknown: float = 0.03) -> None:
        published = published_profile(CPU)
        profile = published.model_copy(
            update={
                "awake_w": published.awake_w.scaled(TRUE["awake"]),
                "flop_j": {kind: each.scaled(TRUE.get(kind, 8.0)) for kind, each in published.flop_j.items()},
                "byte_j": {level: each.scaled(TRUE[level]) for level, each in published.byte_j.items()},
            }
        )
        self.true, self.unknown, self.rng = EnergyModel(profile, THREADS), unknown, np.random.default_rng(1)
        self.hardware = Hardware(idle_w=3.0)

    def beyond(self, computed: Computed, seconds: float) -> float:
        """Joules beyond those at rest."""
        return self.true.joules(computed, seconds) - THREADS * seconds * self.true.profile.idle_w.value

    def run(self, computed: Computed, seconds: float) -> Run:
        apart = float(np.exp(self.unknown * self.rng.normal()))
        watts = self.hardware.idle_w + apart * self.beyond(computed, seconds) / seconds
        return lambda: self.hardware.draw(seconds, watts)

    def calibrated(self, works: Mapping[str, Computed] = WORKS) -> Calibration:
        made = {
            name: Probe(self.run(computed, seconds), computed)
            for (name, computed), seconds in zip(works.items(), [0.02, 0.06] * len(works), strict=False)
        }
        hardware = self.hardware
        return calibrated(
            made,
            hardware.meter(),
            CPU,
            threads=THREADS,
            plan=WindowPlan(
                rng=np.random.default_rng(0), window_s=3.0, pace=PACE, clock=lambda: hardware.now, sleep=hardware.rest
            ),
        )


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def found(world: World) -> Calibration:
    return world.calibrated()


def test_a_fit_finds_the_constants_that_the_works_tell_of(world: World, found: Calibration) -> None:
    fit, true, published = found.profile, world.true.profile, published_profile(CPU)
    for one, other in [
        (fit.awake_w, true.awake_w),
        (fit.flop_j["float32"], true.flop_j["float32"]),
        *((fit.byte_j[level], true.byte_j[level]) for level in (NEAR, FAR, MEMORY)),
    ]:
        assert one.value == pytest.approx(other.value, rel=0.4)
        assert one.lower < other.value < one.upper
    assert found.rest_w == pytest.approx((3.0, 3.0), rel=0.15)
    assert fit.idle_w.value < 3.0 / THREADS or torch.get_num_threads() == 1
    untold = fit.flop_j["int8"]  # no work multiplied integers: in proportion to float32, and less is known
    assert untold.value / fit.flop_j["float32"].value == pytest.approx(
        published.flop_j["int8"].value / published.flop_j["float32"].value
    )
    assert untold.upper / untold.lower > fit.flop_j["float32"].upper / fit.flop_j["float32"].lower


def test_the_error_is_that_of_works_left_out_and_beside_it_that_of_published_constants(found: Calibration) -> None:
    assert [work.name for work in found.works] == [*WORKS]
    assert found.error < 0.1 < 0.2 < found.published_error
    assert found.error == pytest.approx(np.median([abs(work.left_out / work.joules - 1) for work in found.works]))
    assert found.worst_error == max(abs(work.error) for work in found.works)
    assert (found.meter, found.scope, found.threads) == ("rapl", "a replay", THREADS)
    assert found.profile.source.startswith("fitted to rapl on ")


PAIRS = {  # one of each draws more, and a clock does not tell which
    "equal time, more from memory": ((0.03, read(60 * MIB, MEMORY, 1e9)), (0.03, read(200 * MIB, MEMORY, 1e9))),
    "equal time, from farther": ((0.03, read(100 * MIB, FAR, 1e9)), (0.03, read(100 * MIB, MEMORY, 1e9))),
    "equal time, more arithmetic": ((0.03, read(80 * MIB, FAR, 4e8)), (0.03, read(80 * MIB, FAR, 2.4e9))),
    "equal time, floats for integers": (
        (0.03, read(80 * MIB, FAR, 2e9, "int8")),
        (0.03, read(80 * MIB, FAR, 2e9)),
    ),
    "equal FLOPs, weights that fit": ((0.025, read(120 * MIB, FAR, 1e9)), (0.025, read(180 * MIB, MEMORY, 1e9))),
    "equal FLOPs, less time and more bytes": ((0.033, read(20 * MIB, FAR, 1e9)), (0.03, read(250 * MIB, MEMORY, 1e9))),
    "equal FLOPs, bfloat16 from near": (
        (0.02, read(40 * MIB, NEAR, 1.5e9, "bfloat16")),
        (0.02, read(80 * MIB, FAR, 1.5e9)),
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_it_ranks_other_works_by_more_than_their_time(pair: str, world: World, found: Calibration) -> None:
    (quick, less), (slow, more) = PAIRS[pair]
    assert quick >= slow  # by time alone the dearer one looks no dearer
    joules = {name: world.beyond(*each) for name, each in (("less", (less, quick)), ("more", (more, slow)))}
    assert joules["less"] < 0.9 * joules["more"]
    model = EnergyModel(found.profile, THREADS)
    assert model.joules(less, quick) < model.joules(more, slow)


def test_what_draws_no_more_than_rest_is_not_fitted() -> None:
    world = World()
    world.beyond = lambda computed, seconds: -1.0 * seconds  # type: ignore[method-assign]
    with pytest.raises(MachineError, match=r"no more than is drawn at rest .* nothing was fitted"):
        world.calibrated({"products": WORKS["products"]})
    with pytest.raises(ValueError, match="each with joules"):
        fitted(published_profile(CPU), [Metered(WORKS["products"], 1.0, 0.0)], 1)


def test_probes_read_from_every_level_and_compute_in_two_precisions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "PRODUCTS", {"cpu": (16, 32)})
    profile = published_profile(CPU).model_copy(update={"sizes": (2.0**14, 2.0**18)})
    made = probes(CPU, profile)
    assert all(probe.computed.traffic.total > 0 for probe in made.values())
    footprints = [probe.computed.traffic.footprint for probe in made.values()]
    assert min(footprints) < 2**14 < sorted(footprints)[len(footprints) // 2] < 2**18 < max(footprints)
    assert {kind for probe in made.values() for kind in probe.computed.flops} == {"float32", "bfloat16"}
    for probe in made.values():
        probe.run()


def test_a_calibration_is_kept_and_used_by_what_is_modelled(
    found: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert calibration_of(CPU) is None
    monkeypatch.setattr(calibration, "meter_of", lambda device: World().hardware.meter())
    monkeypatch.setattr(calibration, "probes", lambda device, profile: {})
    monkeypatch.setattr(calibration, "calibrated", lambda *given, **options: found)
    assert calibrate("cpu") == found
    assert calibration_of(CPU) == found
    conditions = model_of(CPU).conditions(WORKS["products"])
    assert conditions["constants"] == found.profile.source
    place_of(CPU).write_text("{}")
    with pytest.raises(MeterError, match=r"holds no calibration .* remove it"):
        model_of(CPU)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"threads": 0}, "threads"),
        ({"window_seconds": -1.0}, "window_seconds"),
        ({"window_seconds": float("nan")}, "window_seconds"),
    ],
)
def test_numbers_that_are_none_are_refused(given: Mapping[str, float], field: str) -> None:
    with pytest.raises(InputError) as refused:
        calibrate("cpu", **given)  # type: ignore[arg-type]
    assert refused.value.field == field


def test_without_a_meter_nothing_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: torch.device) -> None:
        raise MeterUnavailableError("rapl: no CPU package")

    monkeypatch.setattr(calibration, "meter_of", none)
    with pytest.raises(InputError, match="no energy meter of cpu can be read, so nothing can be fitted: rapl: no CPU"):
        calibrate("cpu")
