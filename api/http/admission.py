"""Admission: what a request may name. No file outside the operator's roots is looked at, and no hub is called."""

from __future__ import annotations

from pathlib import Path

from api.http.problems import ProblemError
from api.http.settings import Settings
from optimizer.spec import StudySpec
from optimizer.workloads.names import MODELS, check_names

LONGEST_HUB_ID = 96  # of the hub's own rule


def admit(spec: StudySpec, settings: Settings) -> None:
    """Raise `ProblemError` 403 for a path outside the roots or a hub id that is not allowed.

    Raises `UnknownNameError` and `InputError` for names and directories that cannot work.
    """
    if spec.model not in MODELS:
        _admit_place("model", spec.model, settings)
    elif repository := MODELS[spec.model]:
        _admit_hub_id("model", repository, settings)
    if spec.weights is not None:
        _admit_path("weights", spec.weights, settings)
    if spec.data is not None:
        _admit_place("data", spec.data, settings)
    check_names(spec)


def _admit_place(field: str, name: str, settings: Settings) -> None:
    if _looks_like_a_path(name):
        _admit_path(field, name, settings)
    elif "/" in name:
        _admit_hub_id(field, name, settings)


def _looks_like_a_path(name: str) -> bool:
    """Whether a name is no hub id, which is one slash between plain words, or would be found here all the same."""
    parts = name.split("/")
    is_plain = len(parts) <= 2 and not name.startswith(("/", ".", "~")) and not {"", ".."} & {*parts}
    return not is_plain or "\\" in name or _resolved(name) is None or Path(name).exists()


def _resolved(name: str) -> Path | None:
    """Return where a path leads; None for one that no file can have, as of a user that there is not."""
    try:
        place = Path(name).expanduser().resolve()
        place.exists()
    except (OSError, RuntimeError, ValueError):
        return None
    return place


def _admit_path(field: str, name: str, settings: Settings) -> None:
    place = _resolved(name)
    if place is None or not any(place.is_relative_to(root.resolve()) for root in settings.roots):
        raise ProblemError(
            403, f"{field}: local paths must lie below a directory that the operator allows (--allow-path)", field=field
        )


def _admit_hub_id(field: str, name: str, settings: Settings) -> None:
    if len(name) > LONGEST_HUB_ID:
        raise ProblemError(422, f"{field}: a hub id has at most {LONGEST_HUB_ID} characters", field=field)
    owner = name.split("/")[0]
    if settings.hub_allow and not {name, owner} & set(settings.hub_allow):
        raise ProblemError(403, f"{field}: {name!r} is not among the hub ids that the operator allows", field=field)
