"""Whole-process accounting: what all work of this process takes from processor, memory and GPUs, stage by stage.

Counters count whole parts of the machine; how much of that is this process's own is an estimate by its share of the
processor time that the machine spent. Where nothing counts, joules are modelled: of the processor by the seconds that
it computed, of memory by the bytes that are resident, and of both by what is told of the work (`tell_computed`).
[C] Cloud Carbon Footprint, methodology: 0.392 W per gigabyte.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil
import torch

from objectives.energy.choose import meter_of
from objectives.energy.computed import NOTHING, Computed
from objectives.energy.meter import CounterResetError, EnergyMeter, MeterError, MeterUnavailableError
from objectives.energy.modelled import model_of
from objectives.energy.rapl import DRAM, PACKAGE, rapl_meter
from objectives.energy.spent import CPU, GPU, NONE, RAM, Joules, Spent
from objectives.measurement import Source
from objectives.peaks import PeakWatch, resident_bytes, this_process, with_children

RAM_W_PER_BYTE = 0.392e-9  # [C]
TICK_S = 30.0  # a counter of a package comes round after minutes to hours; this is far below
_COUNTING: weakref.WeakSet[ProcessAccount] = weakref.WeakSet()


@dataclass(eq=False)
class ProcessAccount:
    """Counts from `start` on; `take` returns what was spent since the last take. A thread keeps counters from lapping.

    What this process starts counts with it, unless it works `alone`, which is told faster. A meter that fails is
    modelled from then on. Accounts may overlap.
    """

    device: torch.device
    meters: Mapping[str, EnergyMeter] = field(default_factory=dict)
    alone: bool = False
    tick_s: float = TICK_S
    clock: Callable[[], float] = time.perf_counter
    times: Callable[[bool], tuple[float, float]] = lambda alone: (own_cpu_s(alone=alone), all_cpu_s())

    @classmethod
    def on(cls, device: torch.device, *, alone: bool = False) -> ProcessAccount:
        """Return an account with every meter that this machine offers."""
        return cls(device, meters_by_part(device), alone=alone)

    def start(self) -> None:
        """Begin to count."""
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._failed: set[str] = set()
        self._processes = this_process if self.alone else with_children
        self._watch = PeakWatch(self.device, self._processes)
        self._models = {CPU: model_of(torch.device("cpu"))}
        if self.device.type == "cuda":
            self._models[GPU] = model_of(self.device)
        self._beyond = dict.fromkeys((CPU, GPU, RAM), 0.0)
        self._begin()
        _COUNTING.add(self)
        self._thread = threading.Thread(target=self._keep_ticking, daemon=True)
        self._thread.start()

    def take(self) -> Spent:
        """Return what was spent since `start` or the last take, and go on."""
        with self._lock:
            spent = self._so_far.plus(self._since())
            self._begin()
            return spent

    @property
    def asks(self) -> bool:
        """Whether what is computed decides the joules of the device, as nothing counts them."""
        at_work = GPU if self.device.type == "cuda" else CPU
        return at_work not in self.meters or at_work in self._failed

    def add(self, computed: Computed) -> None:
        """Take in what was computed since the last take, where that is modelled."""
        with self._lock:
            if self.device.type == "cuda":
                self._beyond[GPU] += self._models[GPU].joules(computed, 0.0)
                return
            processor, memory = self._models[CPU].parts(computed, 0.0)
            self._beyond[CPU] += processor
            self._beyond[RAM] += memory

    def end(self) -> None:
        """Stop counting."""
        _COUNTING.discard(self)
        self._ended.set()
        self._thread.join()
        self._watch.end()
        with self._lock:
            for part in self._open:
                with suppress(MeterError):
                    self.meters[part].stop()

    def _begin(self) -> None:
        self._so_far = NONE
        self._watch.begin()
        self._open_windows()

    def _open_windows(self) -> None:
        self._at, self._times, self._resident = self.clock(), self.times(self.alone), resident_bytes(self._processes)
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
        own, everything = (now - before for now, before in zip(self.times(self.alone), self._times, strict=True))
        parts = self._modelled(seconds, max(0.0, own))
        for part in self._open:
            try:
                counted = self.meters[part].stop()
            except CounterResetError:
                continue  # this window is modelled
            except MeterError:
                self._failed.add(part)
            else:
                parts[part] = Joules(joules=counted, source=self.meters[part].source.value, counts_all=True)
        peak = self._watch.look()
        return Spent(
            seconds=seconds,
            own_cpu_s=max(0.0, own),
            all_cpu_s=max(0.0, everything),
            resident_bytes=peak.resident,
            peak_cuda_bytes=peak.cuda,
            parts=parts,
        )

    def _modelled(self, seconds: float, own: float) -> dict[str, Joules]:
        computing = {CPU: own, GPU: seconds}
        joules = {part: model.joules(NOTHING, computing[part]) for part, model in self._models.items()}
        joules[RAM] = seconds * (self._resident + resident_bytes(self._processes)) / 2 * RAM_W_PER_BYTE
        beyond, self._beyond = self._beyond, dict.fromkeys(self._beyond, 0.0)
        return {
            part: Joules(joules=each + beyond[part], source=Source.MODELLED.value, counts_all=False)
            for part, each in joules.items()
        }


def meters_by_part(device: torch.device) -> dict[str, EnergyMeter]:
    """Return the meters of processor, memory and GPU that this machine offers to work on a device."""
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
    return found


def tell_computed(computed: Computed) -> None:
    """Tell every account of this process what was computed just now."""
    for account in [*_COUNTING]:
        account.add(computed)


def own_cpu_s(*, alone: bool = False) -> float:
    """Return the processor seconds of this process and of all that it started, unless of it alone."""
    if alone:
        return time.process_time()
    own, *others = with_children()
    spent = time.process_time() + _of_ended(psutil.Process(own).cpu_times())
    for each in others:
        with suppress(psutil.Error):  # it has ended: its parent has its seconds
            times = psutil.Process(each).cpu_times()  # in hundredths
            spent += times.user + times.system + _of_ended(times)
    return spent


def _of_ended(times: object) -> float:
    """Return the seconds of a process's children that have ended, zero where the system does not tell."""
    return getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)


def all_cpu_s() -> float:
    """Return the processor seconds that this machine has spent on anything."""
    times = psutil.cpu_times()
    resting = times.idle + getattr(times, "iowait", 0.0) + getattr(times, "steal", 0.0)
    twice = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # in `user` and `nice` as well
    return sum(times) - resting - twice


@contextmanager
def accounted(device: torch.device, *, alone: bool = False) -> Iterator[ProcessAccount]:
    """Yield an account of this process that counts until the end of the block, `alone` without what it starts."""
    account = ProcessAccount.on(device, alone=alone)
    account.start()
    try:
        yield account
    finally:
        account.end()
