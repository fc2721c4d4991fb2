"""Progress of a study that has not ended: the stage of its run, the elapsed time and the time left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from api.http.state import State
from optimizer.progress import TITLES
from optimizer.spec import StudySpec
from search_spaces.transforms.table import trains
from studies.events import STAGE
from studies.jobs import Job, JobKind, JobState
from studies.records import Study, StudyState

OF_UNITS = ("bank", "sensitivity", "tables")  # stages that masked weights go without
REMARKS = 5  # that may have come after the last event of a stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The stage that a run is in. Seconds are up to the moment of asking; None where nothing is known."""

    stages: Mapping[str, str]  # those of this study, with their titles
    stage: str | None
    text: str
    done: int
    total: int
    elapsed_s: float | None
    left_s: float | None
    run: Job | None  # that works on the study, or waits to
    ahead: int  # jobs that may start before it

    def place_of(self, stage: str) -> str:
        """Return `done`, `now` or `later`."""
        names = list(self.stages)
        at = names.index(self.stage) if self.stage in names else -1
        return "now" if names.index(stage) == at else "done" if names.index(stage) < at else "later"


def standing_of(study: Study, spec: StudySpec, state: State) -> Standing | None:
    """Return a study's progress, None once it has ended."""
    if study.state not in (StudyState.QUEUED, StudyState.RUNNING):
        return None
    now = datetime.now(UTC)
    run = _run_of(state.service.jobs.jobs(study.id))
    is_waiting = study.state is StudyState.QUEUED
    told = [] if is_waiting else state.service.events.recent(study.id, limit=REMARKS, kind=STAGE)
    last = next((event for event in told if event.data["stage"] in TITLES), None)
    data: Mapping[str, Any] = last.data if last else {}
    since = (now - last.created_at).total_seconds() if last else 0.0
    left = data.get("left_s")
    return Standing(
        stages={name: title for name, title in TITLES.items() if _has_stage(spec, name)},
        stage=data.get("stage"),
        text=data.get("text", ""),
        done=data.get("done", 0),
        total=data.get("total", 0),
        elapsed_s=data["elapsed_s"] + since if "elapsed_s" in data else None,
        left_s=None if left is None else max(0.0, left - since),
        run=run,
        ahead=max(0, state.service.jobs.waiting() - 1) if is_waiting else 0,
    )


def _run_of(jobs: Sequence[Job]) -> Job | None:
    """Return the job that runs the study now or next; exports and purchases leave its standing as it is."""
    runs = (job for job in reversed(jobs) if job.kind in (JobKind.RUN, JobKind.RESUME))
    return next((job for job in runs if job.state in (JobState.QUEUED, JobState.RUNNING)), None)


def _has_stage(spec: StudySpec, stage: str) -> bool:
    if stage == "recover":
        return spec.recover != "none"
    if stage == "combinations":
        return len(spec.applied) > 1 and not trains(spec.applied)
    return stage not in OF_UNITS or not trains(spec.applied)
