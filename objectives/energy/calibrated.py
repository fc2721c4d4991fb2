"""Calibrated profiles: fitted to a meter of this machine, kept in the user's directory, used by modelled energy."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import torch
from platformdirs import user_data_dir
from pydantic import BaseModel, ConfigDict, ValidationError

from objectives.device import device_name
from objectives.energy.meter import MeterError
from objectives.energy.profiles import Profile


class Found(BaseModel):
    """Something that a calibration found."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Fitted(Found):
    """A work under the meter: seconds and joules of a run, without what is drawn at rest; errors are fractions.

    `left_out` is what a fit to all other works says of it, `published` what the published constants say.
    """

    name: str
    seconds: float
    joules: float
    left_out: float
    published: float

    @property
    def error(self) -> float:
        """By how much the prediction from all other works is too large, as a fraction."""
        return self.left_out / self.joules - 1

    @property
    def published_error(self) -> float:
        """By how much the published constants' prediction is too large, as a fraction."""
        return self.published / self.joules - 1


class Calibration(Found):
    """The profile of a device as fitted on a day, and how well it predicts works that it was not fitted to.

    `rest_w` are watts at rest before and after; `error` and `published_error` are medians over the works of absolute
    relative errors, of works left out of the fit and by the published constants.
    """

    schema_version: int = 1
    device: str
    device_name: str
    machine: str
    day: date
    meter: str
    scope: str
    threads: int
    torch: str
    window_s: float
    rest_w: tuple[float, float]
    works: tuple[Fitted, ...]
    error: float
    worst_error: float
    published_error: float
    profile: Profile


def place_of(device: torch.device) -> Path:
    """Return the file of a device's calibration, which need not exist: one per kind and name, as homes are shared."""
    name = re.sub(r"[^a-z0-9]+", "-", device_name(device).lower()).strip("-")
    return Path(user_data_dir("pruning-optimizer", appauthor=False)) / "energy" / f"{device.type}-{name}.json"


def calibration_of(device: torch.device) -> Calibration | None:
    """Return the calibration of a device, None where there is none. Raises `MeterError` for one that cannot be read."""
    if device.type == "cuda" and not torch.cuda.is_available():
        return None
    place = place_of(device)
    try:
        return Calibration.model_validate_json(place.read_bytes()) if place.is_file() else None
    except (OSError, ValidationError) as error:
        why = str(error).partition("\n")[0]
        raise MeterError(f"{place} holds no calibration ({why}); remove it, or calibrate again") from error
