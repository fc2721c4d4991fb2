"""Limits on statements and locks, and the end of a program whose tables a newer one has upgraded."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import store_examples as some
from sqlalchemy import text

from api.runner.worker import Worker
from studies.limits import Limits
from studies.opening import open_service
from studies.records import StudyState
from studies.sql import engine
from studies.store import StoreError, StoreNewerError, StoreUnavailableError


def test_a_server_gives_up_long_statements_and_long_waits(postgresql_url: str) -> None:
    patient = open_service(postgresql_url, limits=Limits())
    hasty = open_service(postgresql_url, limits=Limits(connections=1, statement_s=1.5, lock_s=0.3))
    too_long = pytest.raises(StoreUnavailableError, match="it took longer than --statement-seconds allow")
    with too_long, hasty.database.read() as session:
        session.execute(text("SELECT pg_sleep(5)"))
    study = patient.store.create_study("first", {}, state=StudyState.COMPLETE)
    with patient.database.write() as session:
        session.execute(text("LOCK TABLE studies"))
        with pytest.raises(StoreUnavailableError, match="others held what this needed for --lock-seconds"):
            hasty.store.label_study(study.id, note="n")
    assert patient.store.study("first").note == ""
    for service in (patient, hasty):
        service.close()


def test_only_who_reads_whole_studies_may_be_long_between_two_statements(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = open_service(postgresql_url)
    monkeypatch.setattr(engine, "IDLE_IN_TRANSACTION_S", 0.1)
    service.database.engine.dispose()  # no connection was opened under another limit
    with service.database.read(much=True) as session:
        time.sleep(0.3)
        assert session.scalar(text("SELECT 1")) == 1
    with pytest.raises(StoreError, match="idle-in-transaction timeout"), service.database.read() as session:
        session.scalar(text("SELECT 1"))
        time.sleep(0.3)
        session.scalar(text("SELECT 1"))
    service.close()


@pytest.mark.parametrize("kind", ["sqlite_url", "postgresql_url"])
def test_a_program_ends_when_a_newer_one_has_upgraded_its_tables(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    service = open_service(request.getfixturevalue(kind))
    study = service.store.create_study("first", {}, state=StudyState.COMPLETE)
    candidate = service.store.start_candidate(study.id, some.proposal(1))
    before = _stamped(service, "9999")
    try:
        with pytest.raises(StoreNewerError, match="of version 9999 by now, made by a newer program"):
            service.store.label_study(study.id, note="n")
        with pytest.raises(StoreNewerError):
            service.store.start_candidate(study.id, some.proposal(2))
        with pytest.raises(StoreNewerError):
            service.store.finish_candidate(candidate.id, some.outcome())
        assert service.store.study("first").note == ""
        assert service.store.candidates(study.id) == [candidate]
        with pytest.raises(StoreNewerError):
            Worker(service, cache_dir=tmp_path, artifacts=tmp_path).run()
    finally:
        _stamped(service, before)
    assert service.store.label_study(study.id, note="n").note == "n"
    service.close()


def _stamped(service, version: str) -> str:
    with service.database.engine.begin() as connection:
        before = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    return str(before)
