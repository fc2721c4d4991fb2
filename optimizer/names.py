"""Names and ε of a study that begins or resumes: what can be checked before torch is loaded."""

from __future__ import annotations

import re
from pathlib import PurePath

from optimizer.errors import InputError
from optimizer.spec import StudySpec
from studies.records import Study
from studies.rules import checked_slug
from studies.store import StudyExistsError, StudyStore

WITHOUT_EPSILON = (
    "cannot widen a study without ε, which stops no candidate for its drop; ask its front at any ε instead"
)


def check_larger(epsilon: float, spec: StudySpec) -> None:
    """Raise `InputError` for an ε that a study cannot be resumed with: its own, a smaller one, or none below 1."""
    if spec.epsilon is None:
        raise InputError("epsilon", WITHOUT_EPSILON)
    if not spec.epsilon < epsilon < 1:
        raise InputError("epsilon", f"must be above the study's own {spec.epsilon:g} and below 1, got {epsilon:g}")


def fresh_slug(spec: StudySpec, store: StudyStore, *, suffix: str = "") -> str:
    """Return `model-task-N` and `suffix`, with the smallest N >= 1 that no study has yet."""
    longest = min(60, 72 - len(suffix))
    stem = (
        re.sub(r"[^a-z0-9]+", "-", f"{PurePath(spec.model).name}-{spec.task}".lower()).strip("-")[:longest] or "study"
    )
    taken = store.slugs(f"{stem}-")
    return next(name for number in range(1, len(taken) + 2) if (name := f"{stem}-{number}{suffix}") not in taken)


def free_slug(name: str, store: StudyStore) -> str:
    """Return `name` if it is valid and free.

    Raises `StudySlugError` stating the valid names, `StudyExistsError` naming `resume`, before anything is loaded.
    """
    checked_slug(name)
    if name in store.slugs(name):
        raise StudyExistsError(f"study {name!r} already exists; `optimize resume {name}` continues it")
    return name


def create_study(spec: StudySpec, slug: str | None, store: StudyStore) -> Study:
    """Store a new study. Without a `slug`, generate a name, again if another process has taken it meanwhile."""
    while True:
        try:
            return store.create_study(slug or fresh_slug(spec, store), spec.model_dump(mode="json"))
        except StudyExistsError:
            if slug is not None:
                raise
