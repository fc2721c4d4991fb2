"""The diagnosis of a machine: what it has, how each figure will be obtained on it, and what would make them better."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import torch

from objectives.energy.calibrated import calibration_of
from objectives.energy.choose import METERS
from objectives.energy.meter import MeterUnavailableError
from objectives.energy.process import meters_by_part
from objectives.energy.spent import CPU, GPU, RAM
from objectives.energy.windows import LOOK, MOST, WINDOW_S
from objectives.noise import Machine, Noise
from objectives.peaks import keeps_peaks
from optimizer.backends.names import COMPILED
from optimizer.doctor.machine import (
    Device,
    Disk,
    Found,
    Memory,
    Processor,
    backends,
    devices,
    disk,
    memory,
    processor,
    variables,
)

WINDOWS = f"windows of {WINDOW_S:g} s in turn, {LOOK} to {MOST} of each model"
MODELLED_PARTS = {
    CPU: "by the seconds that it computes for us, and by what trainings compute",
    RAM: "by the bytes that are resident, and by what trainings move",
    GPU: "by elapsed seconds, and by what trainings compute",
}
LISTENED_S = 1.0  # to what else the machine does
LOW_DISK = 5 * 2**30  # bytes: the layer bank of a BERT-base takes 1.5 GB
LOW_MEMORY = 2 * 2**30  # bytes


class Meter(Found):
    """An energy meter of a device: its source and scope if it can be read, else why not."""

    device: str
    source: str | None
    says: str


class Figure(Found):
    """How a figure will be obtained."""

    figure: str
    source: str
    says: str


class Diagnosis(Found):
    """The machine, the source of every figure on it, and what to do for better ones."""

    schema_version: int = 1
    processor: Processor
    memory: Memory
    disk: Disk
    devices: tuple[Device, ...]
    backends: dict[str, str | None]
    variables: dict[str, str]
    meters: tuple[Meter, ...]
    noise: str | None
    figures: tuple[Figure, ...]
    advice: tuple[str, ...]


def diagnose(cache_dir: Path, *, listened_s: float | None = None) -> Diagnosis:
    """Look at this machine; takes the seconds for which it listens to what else runs."""
    before = Machine.now()
    time.sleep(LISTENED_S if listened_s is None else listened_s)
    noise = Noise.between(before, Machine.now(), interrupted=0.0).in_words()
    here, room, place, found = processor(), memory(), disk(cache_dir), devices()
    versions, meters = backends(), meters_of(found)
    return Diagnosis(
        processor=here,
        memory=room,
        disk=place,
        devices=found,
        backends=versions,
        variables=variables(),
        meters=meters,
        noise=noise,
        figures=figures_of(here, found, meters),
        advice=(
            *_for_timing(here, noise),
            *_for_energy(here, meters),
            *_for_backends(here, versions),
            *_for_room(room, place),
        ),
    )


def meters_of(found: tuple[Device, ...]) -> tuple[Meter, ...]:
    """Return every meter that could serve each device, best first; the first that can be read will."""
    meters = []
    for device in found:
        for make in METERS.get(torch.device(device.name).type, ()):
            try:
                meter = make(torch.device(device.name))
            except MeterUnavailableError as error:
                meters.append(Meter(device=device.name, source=None, says=str(error)))
            else:
                meters.append(Meter(device=device.name, source=meter.source.value, says=meter.scope))
    return tuple(meters)


def figures_of(here: Processor, found: tuple[Device, ...], meters: tuple[Meter, ...]) -> tuple[Figure, ...]:
    """Return how each figure will be obtained, those of every device by themselves."""
    figures = [
        Figure(figure="FLOPs, parameters, size", source="counted", says="exact, the same on every machine"),
    ]
    for device in found:
        figures.append(_latency(here, device))
        best = next((meter for meter in meters if meter.device == device.name and meter.source), None)
        source, says = (best.source or "", f"{best.says}; {WINDOWS}") if best else ("modelled", _modelled(device))
        figures.append(Figure(figure=f"energy on {device.name}", source=source, says=says))
        figures.append(_memory(device))
        figures += _of_work(device)
    return tuple(figures)


def _memory(device: Device) -> Figure:
    is_counted = torch.device(device.name).type in ("cpu", "cuda")
    source, says = ("counted", "of an inference, from allocations") if is_counted else ("none", "not counted there")
    return Figure(figure=f"peak memory on {device.name}", source=source, says=says)


def _of_work(device: Device) -> Iterator[Figure]:
    """Yield how energy and memory of stages and trainings on a device are obtained."""
    on = torch.device(device.name)
    meters = meters_by_part(on)
    for part in (CPU, RAM, *([GPU] if on.type == "cuda" else [])):
        meter = meters.get(part)
        source = "modelled" if meter is None else meter.source.value
        says = MODELLED_PARTS[part] if meter is None else meter.scope
        yield Figure(figure=f"energy of work on {device.name}, {part}", source=source, says=says)
    source, peak = ("counted", "each process's, by the kernel") if keeps_peaks() else ("measured", "seen at readings")
    cuda = ", and of CUDA's allocator" if on.type == "cuda" else ""
    says = f"{peak}{cuda}; stages, and epochs of trainings, whose steps compute in {device.training}"
    yield Figure(figure=f"peak memory of work on {device.name}", source=source, says=says)


def _modelled(device: Device) -> str:
    says, found = "for comparing models, not for a bill", calibration_of(torch.device(device.name))
    return says if found is None else f"{says}; {found.profile.source}, within {found.error:.0%}"


def _latency(here: Processor, device: Device) -> Figure:
    if device.name != "cpu":
        says = "elapsed time until the device has finished"
    elif here.threads == 1:
        says = "processor time of one thread, which other programs do not lengthen"
    else:
        says = f"elapsed time on {here.threads} threads; on one, processor time"
    return Figure(figure=f"latency on {device.name}", source="measured", says=says)


def _for_timing(here: Processor, noise: str | None) -> list[str]:
    said = []
    if noise:
        said.append(
            f"this machine is busy ({noise}): stop other programs, or measure on one thread (`threads` 1), whose "
            "processor time they do not lengthen; intervals say how much is left open"
        )
    if here.governor not in (None, "performance"):
        said.append(
            f"the clock rate follows the load (governor {here.governor}): `sudo cpupower frequency-set -g performance`"
        )
    if here.threads > here.usable:
        said.append(
            f"torch starts {here.threads} threads but {here.usable:g} processors may be used: give `threads` "
            f"{max(1, int(here.usable))}, or they wait for each other"
        )
    return said


def _for_energy(here: Processor, meters: tuple[Meter, ...]) -> list[str]:
    said = []
    for name in dict.fromkeys(meter.device for meter in meters):
        own = [meter for meter in meters if meter.device == name]
        if not any(meter.source for meter in own):
            why = "; ".join(meter.says for meter in own)
            virtual = "; a virtual machine shows no counter of its host" if here.is_virtual and name == "cpu" else ""
            said.append(
                f"energy on {name} will be modelled ({why}{virtual}): `require_measured_energy` refuses instead"
            )
        elif calibration_of(torch.device(name)) is None:
            said.append(
                f"what steers a search by energy on {name} is modelled by published constants: `optimize calibrate` "
                f"for the `device` {name} fits them to the meter in 2 minutes"
            )
    return said


def _for_backends(here: Processor, versions: dict[str, str | None]) -> list[str]:
    said = []
    if versions["onnxruntime"] is None:
        said.append("ONNX Runtime is not installed: pip install 'pruning-optimizer[onnx]' for the backend onnxruntime")
    if versions[COMPILED] is None:
        said.append("no C++ compiler for the backend torch-compile: install g++, or name one in the variable CXX")
    if not here.int8:
        said.append("no instructions for integers of 8 bits (VNNI, AMX, dot products): few bits save size, hardly time")
    return said


def _for_room(room: Memory, place: Disk) -> list[str]:
    said = []
    if place.free < LOW_DISK:
        said.append(f"{place.path} has {place.free / 2**30:.1f} GiB left: `cache_dir` places the cache elsewhere")
    if min(room.available, room.limit or room.available) < LOW_MEMORY:
        said.append(f"{room.available / 2**30:.1f} GiB of memory are available: large models may not fit")
    return said
