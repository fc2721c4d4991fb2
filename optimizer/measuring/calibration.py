"""Calibrate: fit the constants of modelled energy to a meter of this machine, and keep them for what is modelled."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from objectives.device import device_name
from objectives.energy.calibrated import Calibration, Fitted, place_of
from objectives.energy.choose import meter_of
from objectives.energy.fit import Metered, fitted, left_out, predicted, with_factors
from objectives.energy.meter import EnergyMeter, MeterUnavailableError
from objectives.energy.modelled import published_profile
from objectives.energy.probes import Probe, probes
from objectives.energy.windows import WINDOW_S, Batch, WindowPlan, Windows, take_windows
from objectives.guard import on_threads
from objectives.rounds import Pace
from optimizer.device import check_device
from optimizer.errors import InputError, MachineError
from search_spaces.files import written_whole

ROUNDS = 3  # windows of every work
PACE = Pace(fewest=ROUNDS, most=ROUNDS, look=ROUNDS)


def calibrate(device: str = "cpu", *, threads: int | None = None, window_seconds: float = WINDOW_S) -> Calibration:
    """Fit the energy profile of a device to its meter on this machine, and keep it.

    Takes about 13 works × 3 windows. From then on modelled energies use these constants and name
    meter, machine and day. Nothing else should run meanwhile: a meter counts all of it.

    Args:
        device: "cpu", "cuda" or "cuda:N", "mps".
        threads: of the CPU; None for as many as torch has.
        window_seconds: of one window of the meter, several times the step of its counter.

    Raises:
        InputError: no meter of the device can be read, or a number that is none.
        MachineError: the meter does not tell the works from rest.
    """
    if threads is not None and threads < 1:
        raise InputError("threads", f"must be at least 1, got {threads}")
    if not 0 < window_seconds < math.inf:
        raise InputError("window_seconds", f"must be a positive number, got {window_seconds}")
    on = check_device(device)
    meter = _meter_of(on)
    with on_threads(threads):
        works = probes(on, published_profile(on))
        plan = WindowPlan(rng=np.random.default_rng(0), window_s=window_seconds, pace=PACE)
        found = calibrated(works, meter, on, threads=torch.get_num_threads(), plan=plan)
    with written_whole(place_of(on)) as place:
        place.write_text(found.model_dump_json(indent=1))
    return found


def kept_at(device: str) -> Path:
    """Return the file in which the calibration of a device is kept."""
    return place_of(torch.device(device))


def calibrated(
    works: Mapping[str, Probe],
    meter: EnergyMeter,
    device: torch.device,
    *,
    threads: int,
    plan: WindowPlan,
) -> Calibration:
    """Return the calibration of a device by works under its meter. Raises `MachineError`, `MeterError`."""
    batches = {name: Batch(work.run, 1) for name, work in works.items()}
    windows = take_windows(batches, meter, dense=next(iter(works)), plan=plan)
    return _fitted(works, windows, meter, device, threads=threads, window_s=plan.window_s)


def _meter_of(device: torch.device) -> EnergyMeter:
    try:
        return meter_of(device)
    except MeterUnavailableError as error:
        why = f"no energy meter of {device} can be read, so nothing can be fitted: {error}"
        raise InputError("device", why) from error


def _fitted(
    works: Mapping[str, Probe],
    windows: Windows[str],
    meter: EnergyMeter,
    device: torch.device,
    *,
    threads: int,
    window_s: float,
) -> Calibration:
    published = published_profile(device)
    metered = {name: _beyond_rest(work, windows, name) for name, work in works.items()}
    each = [*metered.values()]
    factors, others = fitted(published, each, threads), left_out(published, each, threads)
    day, machine = datetime.now(UTC).date(), platform.node()
    said = tuple(
        Fitted(
            name=name,
            seconds=work.seconds,
            joules=work.joules,
            left_out=other,
            published=predicted(published, {}, work, threads),
        )
        for (name, work), other in zip(metered.items(), others, strict=True)
    )
    return Calibration(
        device=device.type,
        device_name=device_name(device),
        machine=machine,
        day=day,
        meter=meter.source,
        scope=meter.scope,
        threads=threads,
        torch=torch.__version__,
        window_s=window_s,
        rest_w=windows.idle_w,
        works=said,
        error=float(np.median([abs(work.error) for work in said])),
        worst_error=max(abs(work.error) for work in said),
        published_error=float(np.median([abs(work.published_error) for work in said])),
        profile=with_factors(
            published, factors, rest_w=windows.idle_w, source=f"fitted to {meter.source} on {machine}, {day}"
        ),
    )


def _beyond_rest(work: Probe, windows: Windows[str], name: str) -> Metered:
    """Return a work as it was metered. Raises `MachineError` where it drew no more than is drawn at rest."""
    taken = windows.taken[name]
    seconds = float(np.mean([each.seconds / each.inferences for each in taken]))
    joules = float(str(windows.said(name)["net_j"]))
    if joules <= 0:
        raise MachineError(
            f"under the meter {name!r} drew no more than is drawn at rest ({sum(windows.idle_w) / 2:.3g} W): the "
            "machine is busy with something else, or windows are too short for its counter; nothing was fitted"
        )
    return Metered(work.computed, seconds, joules)
