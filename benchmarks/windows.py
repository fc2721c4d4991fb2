"""How long a window of an energy meter should be: how far ratios of energy scatter, by its length.

    python -m benchmarks.windows [--repeats 60] [--lengths 0.25,0.5,1,2,3,5,8] [--device cuda] [--real] [--json]

Two models of 6 J and 3 J a pass take their windows as in a study, until their ratio is known to 2 % or ten windows each
are taken. Their machine is replayed: counters are renewed in uneven steps, power wanders, neighbours come and go. A row
is a counter on a machine; a cell is the deviation of the ratio of two single windows, the error of the measured ratio
(root mean square, of the truth) and the seconds that it took. `--real` measures two products of matrices under the
meter of this machine instead.
"""

from __future__ import annotations

import argparse
import json
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from objectives.device import device_name, synchronise
from objectives.energy.choose import choose_meter
from objectives.energy.meter import CounterMeter, EnergyMeter
from objectives.energy.windows import Batch, WindowPlan, Windows, take_windows
from objectives.measurement import Source

LENGTHS = "0.25,0.5,1,2,3,5,8"
DENSE, LEAN = (0.020, 300.0), (0.012, 250.0)  # seconds and watts of a pass: 6 J and 3 J
TRUTH = (LEAN[0] * LEAN[1]) / (DENSE[0] * DENSE[1])
IDLE_W = 60.0


@dataclass(frozen=True)
class Counter:
    """Renewed every `step_s`, give or take a share of it: RAPL as Khan et al. 2018 measured it, NVML on an H100."""

    step_s: float
    jitter: float


@dataclass(frozen=True)
class Surroundings:
    """Power that wanders by a share, over so many seconds, and a neighbour of so many watts for a share of the time."""

    wanders: float = 0.0
    over_s: float = 5.0
    neighbour_w: float = 0.0
    busy: float = 0.3
    burst_s: float = 2.0


COUNTERS = {"every 1 ms": Counter(0.001, 0.05), "every 20 ms": Counter(0.02, 0.2), "every 100 ms": Counter(0.1, 0.2)}
MACHINES = {
    "nothing else": Surroundings(),
    "power wanders by 2 %": Surroundings(wanders=0.02),
    "and a neighbour of 30 W": Surroundings(wanders=0.02, neighbour_w=30.0),
}


@dataclass
class Replay:
    """A machine on a clock of its own, with one counter."""

    counter: Counter
    around: Surroundings
    rng: np.random.Generator
    now: float = 0.0
    _wander: float = 0.0
    _busy: bool = False
    _times: list[float] = field(default_factory=lambda: [0.0])
    _joules: list[float] = field(default_factory=lambda: [0.0])
    _renewed: list[float] = field(default_factory=lambda: [0.0])

    def draw(self, seconds: float, watts: float) -> None:
        """Draw so much power for so long, and what the surroundings make of it."""
        around, noise = self.around, self.rng.normal()
        keeps = np.exp(-seconds / around.over_s)
        self._wander = keeps * self._wander + np.sqrt(1 - keeps**2) * around.wanders * noise
        changes = (1 / around.burst_s) if self._busy else around.busy / (1 - around.busy) / around.burst_s
        if self.rng.random() < seconds * changes:
            self._busy = not self._busy
        self.now += seconds
        whole = watts * (1 + self._wander) + around.neighbour_w * self._busy
        self._times.append(self.now)
        self._joules.append(self._joules[-1] + seconds * whole)

    def rest(self, seconds: float) -> None:
        self.draw(seconds, IDLE_W)

    def meter(self) -> EnergyMeter:
        return CounterMeter(
            source=Source.RAPL, scope="a replay", read=self._count, joules_per_count=1e-6, ranges=[None]
        )

    def _count(self) -> list[int]:
        """Return what the counter shows: microjoules as they were when it was last renewed."""
        while self._renewed[-1] <= self.now:
            step = self.counter.step_s * (1 + self.counter.jitter * self.rng.uniform(-1, 1))
            self._renewed.append(self._renewed[-1] + step)
        at = self._renewed[bisect_right(self._renewed, self.now) - 1]
        after = min(bisect_right(self._times, at), len(self._times) - 1)
        both = [self._times[after - 1], self._times[after]], [self._joules[after - 1], self._joules[after]]
        return [round(float(np.interp(at, *both)) * 1e6)]


def replayed(counter: Counter, around: Surroundings, length: float, seed: int) -> tuple[Windows[str], float]:
    """Return the windows of one measurement on a replayed machine, and the seconds that they took there."""
    machine = Replay(counter, around, np.random.default_rng([seed, 1]))
    machine.rest(machine.rng.uniform(0, counter.step_s))  # windows begin anywhere within a step
    runs: Mapping[str, Callable[[], None]] = {
        "dense": lambda: machine.draw(*DENSE),
        "lean": lambda: machine.draw(*LEAN),
    }
    plan = WindowPlan(rng=np.random.default_rng(seed), window_s=length, clock=lambda: machine.now, sleep=machine.rest)
    found = take_windows({key: Batch(run, 1) for key, run in runs.items()}, machine.meter(), dense="dense", plan=plan)
    return found, machine.now


def real(device: torch.device, length: float, seed: int) -> tuple[Windows[str], float]:
    """Return the windows of two products of matrices under this machine's meter, and the seconds that they took."""
    meter = choose_meter(device, required=True).meter
    assert meter is not None
    sides = {"dense": 1024, "lean": 724} if device.type == "cpu" else {"dense": 8192, "lean": 5792}
    operands = {key: torch.randn(side, side, device=device) for key, side in sides.items()}

    def product(key: str) -> Callable[[], None]:
        def run() -> None:
            operands[key] @ operands[key]
            synchronise(device)

        return run

    began = time.perf_counter()
    plan = WindowPlan(rng=np.random.default_rng(seed), window_s=length)
    found = take_windows({key: Batch(product(key), 1) for key in sides}, meter, dense="dense", plan=plan)
    return found, time.perf_counter() - began


@dataclass(frozen=True)
class Cell:
    """What windows of a length came to: deviation of single ratios, error of measured ones, windows, seconds."""

    spread: float
    error: float
    windows: float
    seconds: float

    @classmethod
    def of(cls, taken: Iterator[tuple[Windows[str], float]], truth: float | None) -> Cell:
        """Return the cell of measurements; without a `truth` errors are from their mean."""
        singles, ratios, windows, seconds = list[float](), list[float](), list[int](), list[float]()
        for found, took in taken:
            logs = np.log([a.each / b.each for a, b in zip(found.taken["lean"], found.taken["dense"], strict=True)])
            singles.append(float(np.std(logs, ddof=1)))
            ratios.append(float(np.exp(logs.mean())))
            windows.append(len(logs))
            seconds.append(took)
        wanted = float(np.mean(ratios)) if truth is None else truth
        error = float(np.sqrt(np.mean((np.array(ratios) / wanted - 1) ** 2)))
        spread = float(np.sqrt(np.mean(np.square(singles))))
        return cls(spread, error, float(np.mean(windows)), float(np.mean(seconds)))

    def __str__(self) -> str:
        return f"{self.spread:.1%}, {self.error:.1%}, {self.seconds:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--lengths", default=LENGTHS, help="seconds of a window")
    parser.add_argument("--device", default="cpu", help="of --real")
    parser.add_argument("--real", action="store_true", help="under this machine's meter")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    lengths = [float(each) for each in options.lengths.split(",")]
    rows: dict[str, list[Cell]] = {}
    if options.real:
        device = torch.device(options.device)
        taken = {length: (real(device, length, seed) for seed in range(options.repeats)) for length in lengths}
        rows[device_name(device)] = [Cell.of(each, None) for each in taken.values()]
    else:
        for (counter_name, counter), (machine_name, around) in (
            (counter, machine) for counter in COUNTERS.items() for machine in MACHINES.items()
        ):
            rows[f"{counter_name}, {machine_name}"] = [
                Cell.of((replayed(counter, around, length, s) for s in range(options.repeats)), TRUTH)
                for length in lengths
            ]
    show(rows, lengths, as_json=options.json)


def show(rows: Mapping[str, list[Cell]], lengths: list[float], *, as_json: bool) -> None:
    """Print the rows."""
    if as_json:
        print(json.dumps({name: [vars(cell) for cell in cells] for name, cells in rows.items()}))
        return
    print("| counter, machine | " + " | ".join(f"{length:g} s" for length in lengths) + " |")
    print("|---|" + "--:|" * len(lengths))
    for name, cells in rows.items():
        print(f"| {name} | " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
