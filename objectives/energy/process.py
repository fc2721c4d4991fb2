"""Whole-process accounting: what all work of this process takes from processor, memory and GPUs, stage by stage.

Counters count whole parts of the machine; how much of that is this process's own is an estimate by its share of the
processor time that the machine spent. Where nothing counts, joules are modelled: of the processor by the seconds that
it computed, of memory by the bytes that are resident. [C] Cloud Carbon Footprint, methodology: 0.392 W per gigabyte.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil
import torch

from objectives.energy.choose import meter_of
from objectives.energy.computed import NOTHING
from objectives.energy.meter import CounterResetError, EnergyMeter, MeterError, MeterUnavailableError
from objectives.energy.modelled import model_of
from objectives.energy.rapl import DRAM, PACKAGE, rapl_meter
from objectives.energy.spent import NONE, Joules, Spent
from objectives.measurement import Source

CPU, RAM, GPU = "CPU", "RAM", "GPU"
RAM_W_PER_BYTE = 0.392e-9  # [C]
TICK_S = 30.0  # a counter of a package comes round after minutes to hours; this is far below


@dataclass
class ProcessAccount:
    """Counts from `start` on; `take` returns what was spent since the last take. A thread keeps counters from lapping.

    What this process starts counts with it. A meter that fails is modelled from then on.
    """

    device: torch.device
    meters: Mapping[str, EnergyMeter] = field(default_factory=dict)
    tick_s: float = TICK_S
    clock: Callable[[], float] = time.perf_counter
    times: Callable[[], tuple[float, float]] = lambda: (own_cpu_s(), all_cpu_s())

    @classmethod
    def on(cls, device: torch.device) -> ProcessAccount:
        """Return an account with every meter that this machine offers."""
        wanted: dict[str, Callable[[], EnergyMeter]] = {
            CPU: lambda: rapl_meter(parts=frozenset({PACKAGE})),
            RAM: lambda: rapl_meter(parts=frozenset({DRAM})),
        }
        if device.type == "cuda":
            wanted[GPU] = lambda: meter_of(device)
        found: dict[str, EnergyMeter] = {}
        for part, make in wanted.items():
            with suppress(MeterUnavailableError):
                found[part] = make()
        return cls(device, found)

    def start(self) -> None:
        """Begin to count."""
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._failed: set[str] = set()
        self._models = {CPU: model_of(torch.device("cpu"))}
        if self.device.type == "cuda":
            self._models[GPU] = model_of(self.device)
        self._begin()
        self._thread = threading.Thread(target=self._keep_ticking, daemon=True)
        self._thread.start()

    def take(self) -> Spent:
        """Return what was spent since `start` or the last take, and go on."""
        with self._lock:
            spent = self._so_far.plus(self._since())
            self._begin()
            return spent

    def end(self) -> None:
        """Stop counting."""
        self._ended.set()
        self._thread.join()
        with self._lock:
            for part in self._open:
                with suppress(MeterError):
                    self.meters[part].stop()

    def _begin(self) -> None:
        self._so_far = NONE
        if self.device.type == "cuda" and torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats(self.device)
        self._open_windows()

    def _open_windows(self) -> None:
        self._at, self._times = self.clock(), self.times()
        self._open = list[str]()
        for part in self.meters.keys() - self._failed:
            try:
                self.meters[part].start()
            except MeterError:
                self._failed.add(part)
            else:
                self._open.append(part)

    def _keep_ticking(self) -> None:
        while not self._ended.wait(self.tick_s):
            self.tick()

    def tick(self) -> None:
        """Close every window and open the next, before a counter has come round twice."""
        with self._lock:
            self._so_far = self._so_far.plus(self._since())
            self._open_windows()

    def _since(self) -> Spent:
        seconds = self.clock() - self._at
        own, everything = (now - before for now, before in zip(self.times(), self._times, strict=True))
        resident = _resident_bytes()
        parts = self._modelled(seconds, max(0.0, own), resident)
        for part in self._open:
            try:
                counted = self.meters[part].stop()
            except CounterResetError:
                continue  # this window is modelled
            except MeterError:
                self._failed.add(part)
            else:
                parts[part] = Joules(joules=counted, source=self.meters[part].source, counts_all=True)
        on_gpu = self.device.type == "cuda" and torch.cuda.is_available()
        return Spent(
            seconds=seconds,
            own_cpu_s=max(0.0, own),
            all_cpu_s=max(0.0, everything),
            resident_bytes=resident,
            peak_cuda_bytes=torch.cuda.max_memory_allocated(self.device) if on_gpu else None,
            parts=parts,
        )

    def _modelled(self, seconds: float, own: float, resident: int) -> dict[str, Joules]:
        computing = {CPU: own, GPU: seconds}
        joules = {part: model.joules(NOTHING, computing[part]) for part, model in self._models.items()}
        joules[RAM] = seconds * resident * RAM_W_PER_BYTE
        return {part: Joules(joules=each, source=Source.MODELLED, counts_all=False) for part, each in joules.items()}


def own_cpu_s() -> float:
    """Return the processor seconds of this process and of all that it started."""
    own = psutil.Process()
    spent = 0.0
    for each in (own, *own.children(recursive=True)):
        with suppress(psutil.Error):  # it has ended: its parent has its seconds
            times = each.cpu_times()
            ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
            spent += times.user + times.system + ended
    return spent


def all_cpu_s() -> float:
    """Return the processor seconds that this machine has spent on anything."""
    times = psutil.cpu_times()
    resting = times.idle + getattr(times, "iowait", 0.0) + getattr(times, "steal", 0.0)
    twice = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # in `user` and `nice` as well
    return sum(times) - resting - twice


def _resident_bytes() -> int:
    own = psutil.Process()
    found = 0
    for each in (own, *own.children(recursive=True)):
        with suppress(psutil.Error):
            found += int(each.memory_info().rss)
    return found


@contextmanager
def accounted(device: torch.device) -> Iterator[ProcessAccount]:
    """Yield an account of this process that counts until the end of the block."""
    account = ProcessAccount.on(device)
    account.start()
    try:
        yield account
    finally:
        account.end()
