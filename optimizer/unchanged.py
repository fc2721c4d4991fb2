"""Unchanged: a stored study continues, and is exported from, only with what it began with."""

from __future__ import annotations

from pathlib import Path

from optimizer.errors import InputError, listed
from optimizer.latency.proposed import constants_of
from optimizer.pipeline import Pipeline
from optimizer.spec import StudySpec
from optimizer.workload import Workload
from search_spaces.groups import dense_config
from studies.records import Study

CONSTANTS = "energy_constants"  # in a study's context: from where those are by which energy is proposed


def fingerprints(workload: Workload) -> dict[str, str]:
    """Return the hashes of the weights, of the teacher's where there is one, and of each role's examples."""
    teacher = {} if workload.teacher is None else {"teacher": workload.teacher.weights_hash}
    examples = {role: each["hash"] for role, each in workload.examples_record.items()}
    return {"weights": workload.subject.weights_hash, **teacher, **examples}


def refuse_changes(study: Study, spec: StudySpec, workload: Workload, cache_dir: Path) -> None:
    """Raise `InputError` where figures or configs of different models, data or groups would be mixed."""
    now = fingerprints(workload)
    known = study.context.get("fingerprints", now)
    changed = sorted(name for name in now if known.get(name) != now[name])
    if changed:
        raise InputError("study", f"{', '.join(changed)} changed since {study.slug!r} began; start a new study")
    refuse_other_constants(study, constants_of(spec, workload.device))
    _refuse_other_groups(study, dense_config(Pipeline.of(spec, workload, cache_dir).groups).as_dict())


def refuse_other_constants(study: Study, now: str | None) -> None:
    """Raise `InputError` where energies were proposed by other constants than they would be `now`."""
    known = study.context.get(CONSTANTS, now)
    if known != now:
        raise InputError(
            "study",
            f"{study.slug!r} proposes by energies of other constants ({known}) than this machine's now ({now}): their "
            "calibration was made or removed since; start a new study",
        )


def refuse_other_metric(study: Study, workload: Workload) -> None:
    """Raise `InputError` where a metric given in Python is not given again."""
    now = workload.metric.name
    known = study.context.get("metric", now)
    if known != now:
        raise InputError("metric", f"{study.slug!r} is judged by {known}, not by {now}; give the same metric again")


def _refuse_other_groups(study: Study, now: dict[str, int]) -> None:
    known = study.context.get("dense_config", now)
    changed = sorted({name for name, _ in known.items() ^ now.items()})
    if changed:
        raise InputError(
            "study",
            f"{study.slug!r} began with another version, which grouped the units of {listed(changed)} differently; "
            "start a new study",
        )
