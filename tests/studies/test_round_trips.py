"""What a candidate costs a search: how often it asks the database, which no machine's speed changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import store_examples as some
from sqlalchemy import event

from studies.opening import open_store
from studies.sql import idle
from studies.sql.store import SqlStore
from studies.store import StoreUnavailableError

MEASURED = tuple(some.latency(0.1 * batch, batch=batch) for batch in range(1, 5))
AT_FIRST = 8  # candidates after which the driver has prepared all statements


def store_candidate(store: SqlStore, study_id: int, number: int) -> None:
    candidate = store.start_candidate(study_id, some.proposal(number))
    store.finish_candidate(candidate.id, some.outcome(measurements=MEASURED))


def answers(store: SqlStore, trace: Path, write: Callable[[], None]) -> int:
    """Return how often the server has said, during a write, that it waits for the next question."""
    lent = store.database.engine.raw_connection()
    server: Any = lent.driver_connection
    lent.close()
    with trace.open("wb") as file:
        server.pgconn.trace(file.fileno())
        write()
        server.pgconn.untrace()
    return trace.read_text().count("\tReadyForQuery\t")


def test_a_candidate_takes_a_server_ten_round_trips(
    emptied_store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "TRUSTED_S", float("inf"))
    emptied_store.database.engine.dispose()  # one connection, and so the traced one
    study = emptied_store.create_study("first", {})
    store = emptied_store.under(study.claim)
    for number in range(AT_FIRST):
        store_candidate(store, study.id, number)
    counted = answers(store, tmp_path / "trace", lambda: store_candidate(store, study.id, AT_FIRST))
    assert counted == 10  # each of two transactions: begin, count and check, write, commit; measurements, event
    assert len(store.candidates(study.id)) == AT_FIRST + 1


def test_a_candidate_takes_a_file_eight_statements(sqlite_store: SqlStore) -> None:
    study = sqlite_store.create_study("first", {})
    seen: list[str] = []
    event.listen(sqlite_store.database.engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    store_candidate(sqlite_store, study.id, 1)
    words = [statement.split()[0] for statement in seen]
    assert words == ["BEGIN", "UPDATE", "INSERT", "BEGIN", "UPDATE", "UPDATE", "INSERT", "INSERT"]


def terminate_all(store: SqlStore, administrator: SqlStore) -> None:
    """End the connections of a store, as a restart of the server does."""
    with administrator.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_connection_that_died_while_it_was_idle_is_replaced_unnoticed(
    emptied_store: SqlStore, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "TRUSTED_S", 0.0)
    store = open_store(postgresql_url)
    study = store.create_study("first", {})
    terminate_all(store, emptied_store)
    store_candidate(store, study.id, 1)
    assert len(store.candidates(study.id)) == 1
    store.close()


def test_one_that_dies_in_use_fails_once_and_nothing_of_it_is_kept(
    emptied_store: SqlStore, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "TRUSTED_S", float("inf"))
    store = open_store(postgresql_url)
    study = store.create_study("first", {})
    terminate_all(store, emptied_store)
    with pytest.raises(StoreUnavailableError, match="the server cannot be reached or refuses"):
        store_candidate(store, study.id, 1)
    store_candidate(store, study.id, 1)
    assert len(store.candidates(study.id)) == 1
    store.close()
