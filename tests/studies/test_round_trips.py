"""What a candidate costs a search: how often it asks the database, which no machine's speed changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import store_examples as some
from sqlalchemy import Text, event, select, text

from objectives.measurement import Conditions
from studies.opening import open_store
from studies.records import CandidateState, Outcome
from studies.sql import at_once, idle
from studies.sql.store import SqlStore
from studies.sql.tables import Base
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


def test_a_candidate_takes_a_server_two_round_trips(
    emptied_store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "TRUSTED_S", float("inf"))
    emptied_store.database.engine.dispose()  # one connection, and so the traced one
    study = emptied_store.create_study("first", {})
    store = emptied_store.under(study.claim)
    for number in range(AT_FIRST):
        store_candidate(store, study.id, number)
    counted = answers(store, tmp_path / "trace", lambda: store_candidate(store, study.id, AT_FIRST))
    assert counted == 2  # started, finished
    assert len(store.candidates(study.id)) == AT_FIRST + 1


def test_a_single_statement_writes_what_a_transaction_writes(
    emptied_store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    store, outcomes = SqlStore(emptied_store.database, clock=lambda: moment), [*every_kind_of_outcome()]
    written = []
    tables = ("studies", "candidates", "measurements", "events")
    for way in ("statement", "transaction"):
        if way == "transaction":
            monkeypatch.setattr(at_once, "start", lambda *_: None)
            monkeypatch.setattr(at_once, "finish", lambda *_: None)
        study = store.create_study(way, {})
        for number, outcome in enumerate(outcomes):
            candidate = store.start_candidate(study.id, some.proposal(number))
            finished = store.finish_candidate(candidate.id, outcome)
            assert finished == store.candidates(study.id)[number]
        written.append([rows_of(store, study.id, table) for table in tables])
    assert written[0] == written[1]
    assert [len(rows) for rows in written[0]] == [1, len(outcomes), 7, len(outcomes) + 1]


def every_kind_of_outcome() -> Iterator[Outcome]:
    yield some.outcome(measurements=(*MEASURED, some.flops()))
    yield Outcome(state=CandidateState.FAILED, reason="no \0 memory, ' or \\ and \ud800")
    yield Outcome(state=CandidateState.STOPPED, drop=float("inf"), seen=3, seconds=1e-9)
    odd: Conditions = {"text": '{ö}, "\\NULL"', "flag": None, "list": [1, 2.5, "x"]}
    yield some.outcome(measurements=(replace(some.latency(1 / 3), conditions=odd, samples=(0.1, 1e-300)), some.flops()))


def rows_of(store: SqlStore, study_id: int, table: str) -> list[tuple[Any, ...]]:
    """Return the rows of a study as texts, without what numbers and names them, in their order."""
    of = Base.metadata.tables[table]
    other = {"id", "study_id", "candidate_id", "sequence", "slug", "uid"}
    columns = [column.cast(Text) for column in of.c if column.name not in other]
    key = of.c.id if table == "studies" else of.c.study_id
    with store.database.glance() as connection:
        order = next(iter(of.primary_key.columns))
        return [tuple(row) for row in connection.execute(select(*columns).where(key == study_id).order_by(order))]


def test_a_candidate_that_was_reopened_keeps_what_was_measured_later(emptied_store: SqlStore) -> None:
    study = emptied_store.create_study("first", {})
    candidate = emptied_store.start_candidate(study.id, some.proposal(1))
    emptied_store.finish_candidate(candidate.id, Outcome(state=CandidateState.STOPPED, drop=0.1, seen=3))
    emptied_store.add_measurements(candidate.id, [some.latency(0.5)])
    emptied_store.widen_study(study.id, {}, [candidate.id])
    finished = emptied_store.finish_candidate(candidate.id, some.outcome())
    assert [measured.quantity for measured in finished.measurements] == ["flops", "latency"]
    assert emptied_store.candidates(study.id) == [finished]


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


@pytest.mark.parametrize("trusted_s", [0.0, float("inf")])
def test_a_connection_that_died_while_it_was_idle_is_replaced_unnoticed(
    emptied_store: SqlStore, postgresql_url: str, monkeypatch: pytest.MonkeyPatch, trusted_s: float
) -> None:
    monkeypatch.setattr(idle, "TRUSTED_S", trusted_s)
    store = open_store(postgresql_url)
    study = store.create_study("first", {})
    terminate_all(store, emptied_store)
    store_candidate(store, study.id, 1)
    assert len(store.candidates(study.id)) == 1
    store.close()


def test_one_that_dies_in_use_fails_once_and_nothing_of_it_is_kept(
    emptied_store: SqlStore, postgresql_url: str
) -> None:
    store = open_store(postgresql_url)
    study = store.create_study("first", {})
    gone = pytest.raises(StoreUnavailableError, match="the server cannot be reached or refuses")
    with gone, store.database.write() as session:
        session.execute(text("UPDATE studies SET note = 'n'"))
        terminate_all(store, emptied_store)
        session.execute(text("UPDATE studies SET note = 'm'"))
    assert store.study("first") == study
    store.close()
