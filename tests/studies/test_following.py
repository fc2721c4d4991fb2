"""A study follows its run from the moment a worker has it; what happened last is read newest first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from studies.events import STAGE, STATE
from studies.jobs import JobState
from studies.opening import open_service
from studies.records import StudyState
from studies.sql.service import SqlService


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SqlService]:
    made = open_service(f"sqlite:///{tmp_path}/s.sqlite")
    yield made
    made.close()


def test_a_study_runs_as_soon_as_a_worker_has_it_and_waits_again_when_it_is_given_back(service: SqlService) -> None:
    study = service.submit("first", {"epsilon": 0.1})
    job = service.jobs.claim("ann", lease_s=30)
    assert job is not None
    assert service.store.study("first").state is StudyState.RUNNING
    service.jobs.release(job.id, "ann")
    assert service.store.study("first").state is StudyState.QUEUED
    again = service.jobs.claim("bob", lease_s=30)
    assert again is not None
    service.jobs.finish(again.id, "bob", state=JobState.FAILED, error="no such model")
    assert service.store.study("first").state is StudyState.FAILED
    assert service.store.study("first").error == "no such model"
    told = [event.data["state"] for event in service.events.after(0, limit=10, study_id=study.id)]
    assert told == ["queued", "running", "queued", "running", "failed"]


def test_recent_events_come_newest_first_of_one_kind_and_below_a_sequence(service: SqlService) -> None:
    study, other = service.submit("first", {}), service.submit("second", {})
    for done in range(3):
        service.events.append(study.id, STAGE, {"stage": "bank", "done": done})
        service.events.append(other.id, STAGE, {"stage": "load", "done": done})
    newest, middle = service.events.recent(study.id, limit=2, kind=STAGE)
    assert [newest.data["done"], middle.data["done"]] == [2, 1]
    assert [e.data["done"] for e in service.events.recent(study.id, limit=9, kind=STAGE, before=middle.sequence)] == [0]
    assert [e.kind for e in service.events.recent(study.id, limit=9)] == [STAGE, STAGE, STAGE, STATE]
