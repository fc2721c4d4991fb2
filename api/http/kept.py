"""What exports leave on the disk: one folder for each attempt, kept for a time, removed with its study or after it."""

from __future__ import annotations

import re
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from studies.jobs import Job, JobNotFoundError, JobQueue, JobState

if TYPE_CHECKING:
    from studies.sql.service import SqlService

_FOLDER = re.compile(r"job-(\d{1,9})-\d+")
_LEFTOVER = re.compile(r"\.[0-9a-f]{32}\.tmp")


def delete_study(service: SqlService, study_id: int, artifacts: Path) -> None:
    """Delete a study with all that belongs to it, and the folders of its exports."""
    jobs = service.jobs.jobs(study_id)
    service.store.delete_study(study_id)
    for job in jobs:
        for folder in artifacts.glob(f"job-{job.id}-*"):
            shutil.rmtree(folder)


def remove_expired(jobs: JobQueue, artifacts: Path, *, kept_s: float) -> int:
    """Remove the folders that have expired; return how many.

    A folder without a known job, or of a killed attempt, expires as long after its last write.
    """
    gone = [path for path in artifacts.glob("*") if _is_over(path, jobs, kept_s)]
    for path in gone:
        shutil.rmtree(path)
    return len(gone)


def expires_at(job: Job, kept_s: float) -> datetime | None:
    """Return the moment at which a job's files expire, None for a job without files."""
    has_files = job.state is JobState.DONE and job.result is not None and job.finished_at is not None
    return job.finished_at + timedelta(seconds=kept_s) if has_files and job.finished_at else None


def _is_over(path: Path, jobs: JobQueue, kept_s: float) -> bool:
    named = _FOLDER.fullmatch(path.name)
    if named is None and _LEFTOVER.fullmatch(path.name) is None:
        return False
    try:
        job = jobs.job(int(named[1])) if named else None
    except JobNotFoundError:
        job = None
    until = None if job is None or job.result is None or job.result["folder"] != path.name else expires_at(job, kept_s)
    if until is None:
        return time.time() - path.stat().st_mtime > kept_s
    return datetime.now(UTC) >= until
