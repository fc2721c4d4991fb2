"""Admission: what a request may name. It touches no file outside the operator's roots and calls no hub."""

from __future__ import annotations

from pathlib import Path

from api.http.problems import ProblemError
from api.http.settings import Settings
from api.places import FILES, OUTSIDE, is_below, local_places, looks_like_a_path, resolved
from optimizer.families.names import MODELS, check_names
from optimizer.spec import StudySpec

LONGEST_HUB_ID = 96  # of the hub's own rule


def admit(spec: StudySpec, settings: Settings) -> StudySpec:
    """Return the spec with the real paths of local names, so that links cannot change them later.

    Raises `ProblemError` 403 for a path outside the roots or a hub id that is not allowed, `UnknownNameError` and
    `InputError` for names and directories that cannot work.
    """
    _admit_checkpoint("model", spec.model, settings)
    if spec.teacher is not None:
        _admit_checkpoint("teacher", spec.teacher, settings)
    for field in FILES:
        if name := getattr(spec, field):
            _admit_path(field, name, settings)
    if spec.data is not None:
        _admit_place("data", spec.data, settings)
    spec = spec.model_copy(update={field: str(resolved(name)) for field, name in local_places(spec).items()})
    check_names(spec)
    return spec


def admit_file(field: str, name: str, settings: Settings, *, remedy: str) -> Path:
    """Return the real path of a file or folder. Raises `ProblemError` 403 outside the roots, 422 where nothing is."""
    place = _admit_path(field, name, settings, remedy=f"; {remedy}")
    if not place.exists():
        raise ProblemError(422, f"{field}: the server has no {name}; {remedy}", field=field)
    return place


def _admit_checkpoint(field: str, name: str, settings: Settings) -> None:
    if name not in MODELS:
        _admit_place(field, name, settings)
    elif repository := MODELS[name]:
        _admit_hub_id(field, repository, settings)


def _admit_place(field: str, name: str, settings: Settings) -> None:
    if looks_like_a_path(name):
        _admit_path(field, name, settings)
    elif "/" in name:
        _admit_hub_id(field, name, settings)


def _admit_path(field: str, name: str, settings: Settings, *, remedy: str = "") -> Path:
    place = resolved(name)
    if place is None or not is_below(place, settings.roots):
        raise ProblemError(403, f"{field}: {OUTSIDE}{remedy}", field=field)
    return place


def _admit_hub_id(field: str, name: str, settings: Settings) -> None:
    if len(name) > LONGEST_HUB_ID:
        raise ProblemError(422, f"{field}: a hub id has at most {LONGEST_HUB_ID} characters", field=field)
    owner = name.split("/")[0]
    if settings.hub_allow and not {name, owner} & set(settings.hub_allow):
        raise ProblemError(403, f"{field}: {name!r} is not among the hub ids that the operator allows", field=field)
