"""What stays on the disk for a time, and no longer than its study: a folder for each try of an export, texts sent."""

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

SENT = "sent-"  # begins the name of a folder with a file of texts
_FOLDER = re.compile(rf"job-(\d{{1,9}})-\d+|{SENT}[0-9a-f]{{32}}")
_LEFTOVER = re.compile(r"\.[0-9a-f]{32}\.tmp")


def delete_study(service: SqlService, study_id: int, artifacts: Path) -> None:
    """Delete a study with all that belongs to it, and the folders of its jobs."""
    jobs = service.jobs.jobs(study_id)
    service.store.delete_study(study_id)
    for job in jobs:
        for folder in artifacts.glob(f"job-{job.id}-*"):
            shutil.rmtree(folder)
        remove_sent(job, artifacts)


def remove_sent(job: Job, artifacts: Path) -> None:
    """Remove the file that a request sent for a job, if there is one."""
    if "sent" in job.payload:
        shutil.rmtree((artifacts / job.payload["sent"]).parent, ignore_errors=True)


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
        job = jobs.job(int(named[1])) if named and named[1] else None
    except JobNotFoundError:
        job = None
    until = None if job is None or job.result is None or job.result["folder"] != path.name else expires_at(job, kept_s)
    if until is None:
        return time.time() - path.stat().st_mtime > kept_s
    return datetime.now(UTC) >= until
