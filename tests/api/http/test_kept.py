"""Folders of exports: removed when their time is over, kept until then, and nothing else is touched."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.http.kept import delete_study, expires_at, remove_expired
from studies.jobs import Job, JobKind, JobState
from studies.opening import open_service
from studies.sql.service import SqlService

KEPT_S = 3600.0


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SqlService]:
    service = open_service(f"sqlite:///{tmp_path}/s.sqlite")
    yield service
    service.close()


def exported(service: SqlService, artifacts: Path) -> Job:
    """Return a finished export, a folder of a killed attempt beside its own."""
    study = service.store.create_study("s", {})
    job = service.jobs.enqueue(study.id, JobKind.EXPORT, {"candidate": 1})
    assert service.jobs.claim("w", lease_s=30) is not None
    for name in (f"job-{job.id}-1", f"job-{job.id}-2", "job-77-1", "notes"):
        (artifacts / name).mkdir(parents=True)
    return service.jobs.finish(
        job.id, "w", state=JobState.DONE, result={"folder": f"job-{job.id}-2", "files": ["README.md"]}
    )


def age(folder: Path) -> None:
    past = time.time() - 2 * KEPT_S
    os.utime(folder, (past, past))


def test_what_is_over_goes_and_all_else_stays(service: SqlService, tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    job = exported(service, artifacts)
    assert remove_expired(service.jobs, artifacts, kept_s=KEPT_S) == 0
    for folder in artifacts.iterdir():
        age(folder)
    assert remove_expired(service.jobs, artifacts, kept_s=KEPT_S) == 2
    assert sorted(path.name for path in artifacts.iterdir()) == [f"job-{job.id}-2", "notes"]
    assert remove_expired(service.jobs, artifacts, kept_s=0.0) == 1
    assert [path.name for path in artifacts.iterdir()] == ["notes"]


def test_a_deleted_study_takes_the_folders_of_its_exports_along(service: SqlService, tmp_path: Path) -> None:
    job = exported(service, tmp_path / "artifacts")
    delete_study(service, job.study_id, tmp_path / "artifacts")
    assert service.store.studies() == []
    assert sorted(path.name for path in (tmp_path / "artifacts").iterdir()) == ["job-77-1", "notes"]


def test_exports_are_listed_newest_first_with_their_end(service: SqlService, tmp_path: Path) -> None:
    first = exported(service, tmp_path / "artifacts")
    second = service.jobs.enqueue(first.study_id, JobKind.EXPORT, {"candidate": 2})
    listed = service.jobs.exports(after=None, limit=5, owners=None)
    assert [job.id for job in listed] == [second.id, first.id]
    assert service.jobs.exports(after=second.id, limit=5, owners=None) == [first]
    assert service.jobs.exports(after=None, limit=5, owners={"somebody"}) == []
    assert first.finished_at is not None
    assert expires_at(listed[0], KEPT_S) is None
    assert (expires_at(first, KEPT_S) or first.finished_at) > first.finished_at
