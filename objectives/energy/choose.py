"""Which energy meter a device gets: the first in its row that this machine offers, and why not the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from objectives.energy.meter import EnergyMeter, MeterUnavailableError
from objectives.energy.nvml import nvml_meter, nvml_power_meter
from objectives.energy.rapl import rapl_meter
from objectives.energy.zeus import zeus_meter
from objectives.measurement import Source

MakeMeter = Callable[[torch.device], EnergyMeter]

METERS: Mapping[str, Sequence[MakeMeter]] = {
    "cuda": (nvml_meter, nvml_power_meter, zeus_meter),
    "cpu": (lambda _: rapl_meter(), zeus_meter),
    "mps": (zeus_meter,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterChoice:
    """The meter for a device, None where energy has to be modelled, and the reason in words.

    Of a meter that is `required` no figure is replaced by a modelled one.
    """

    device: torch.device
    meter: EnergyMeter | None
    reason: str
    required: bool = False

    @property
    def source(self) -> Source:
        """How energy will be obtained."""
        return Source.MODELLED if self.meter is None else self.meter.source

    @property
    def scope(self) -> str:
        """What the figures include, in words."""
        return "processor and memory of this work alone" if self.meter is None else self.meter.scope


def meter_of(device: torch.device, meters: Mapping[str, Sequence[MakeMeter]] = METERS) -> EnergyMeter:
    """Return the best meter that this machine offers for `device`. Raises `MeterUnavailableError`, and says why."""
    refusals = []
    for make in meters.get(device.type, ()):
        try:
            return make(device)
        except MeterUnavailableError as error:
            refusals.append(str(error))
    raise MeterUnavailableError("; ".join(refusals) or f"no counter is known for {device.type}")


def choose_meter(
    device: torch.device, meters: Mapping[str, Sequence[MakeMeter]] = METERS, *, required: bool = False
) -> MeterChoice:
    """Return the best meter that this machine offers for `device`, with the reason for it.

    Raises `MeterUnavailableError` where a meter is `required` and there is none.
    """
    try:
        meter = meter_of(device, meters)
    except MeterUnavailableError as error:
        if required:
            raise
        return MeterChoice(device=device, meter=None, reason=f"modelled, since {error}")
    return MeterChoice(
        device=device, meter=meter, reason=f"{meter.source} can be read: {meter.scope}", required=required
    )
