"""Revisions: never an old one, whoever wrote, and no look where nobody did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import store_examples as some
from sqlalchemy import event

from studies.opening import open_service
from studies.records import Revision
from studies.sql.service import SqlService
from studies.store import StudyNotFoundError


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SqlService]:
    opened = open_service(f"sqlite:///{tmp_path}/s.sqlite")
    yield opened
    opened.close()


def test_every_write_is_seen_from_wherever_it_comes(service: SqlService, tmp_path: Path) -> None:
    study = service.store.create_study("first", {})
    assert service.revisions.of("first") == service.revisions.of(str(study.id)) == Revision(study.id, 0, 0)
    elsewhere = open_service(f"sqlite:///{tmp_path}/s.sqlite")
    for number, store in enumerate((service.store, elsewhere.store, service.store, elsewhere.store), start=1):
        store.update_study(study.id, context={"number": number})
        assert service.revisions.of("first").latest == number
    service.store.delete_study(study.id)
    elsewhere.close()
    for name in ("first", str(study.id)):
        with pytest.raises(StudyNotFoundError):
            service.revisions.of(name)


def test_a_candidate_that_begins_and_the_time_that_passes_change_no_result(service: SqlService) -> None:
    study = service.store.create_study("first", {})
    candidate = service.store.start_candidate(study.id, some.proposal(1))
    service.store.update_study(study.id, add_seconds={"evaluate": 1.0})
    assert service.revisions.of("first") == Revision(study.id, 2, 0)
    service.store.finish_candidate(candidate.id, some.outcome())
    assert service.revisions.of("first") == Revision(study.id, 3, 3)


def test_nothing_is_looked_up_twice_while_nobody_writes(service: SqlService) -> None:
    study = service.store.create_study("first", {})
    service.revisions.of("first")
    seen: list[str] = []
    event.listen(service.database.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    for _ in range(9):
        service.revisions.of("first")
    assert not seen
    service.store.update_study(study.id, add_seconds={"evaluate": 1.0})
    seen.clear()
    service.revisions.of("first")
    assert len(seen) == 1
