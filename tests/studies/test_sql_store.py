"""The store in SQLite keeps the contract, reads in a handful of queries, and knows who runs a study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import store_examples as some
from sqlalchemy import event
from store_contract import StoreContract

from studies.opening import open_store
from studies.ownership import Owner
from studies.records import StudyState
from studies.sql.database import Database
from studies.sql.engine import new_engine, parsed_url
from studies.sql.store import SqlStore
from studies.store import StoreError, StoreUnusableError, StudyBusyError


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def store(self, sqlite_store: SqlStore) -> SqlStore:
        return sqlite_store


@contextmanager
def queries(store: SqlStore) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection, _cursor, statement: str, *_rest) -> None:
        seen.append(statement)

    event.listen(store.database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(store.database.engine, "before_cursor_execute", note)


def test_reading_takes_the_same_few_queries_however_many_candidates(sqlite_store: SqlStore) -> None:
    study = sqlite_store.create_study("first", {})
    counts = []
    for number in range(20):
        candidate = sqlite_store.start_candidate(study.id, some.proposal(number))
        sqlite_store.finish_candidate(candidate.id, some.outcome())
        sqlite_store.verify_candidate(candidate.id, some.verification())
        with queries(sqlite_store) as seen:
            assert len(sqlite_store.candidates(study.id)) == number + 1
        counts.append(len(seen))
    assert set(counts) == {5}  # begin, the study, and one query per table


def test_a_revision_and_a_page_are_few_queries_over_an_index(sqlite_store: SqlStore) -> None:
    for number in range(9):
        sqlite_store.create_study(f"s-{number}", {})
    with queries(sqlite_store) as seen:
        sqlite_store.revision("s-3")
        sqlite_store.revision("3")
    assert len(seen) == 2  # one each, without a transaction around it
    with sqlite_store.database.glance() as connection:
        for condition in ("slug = 's-3'", "id = 3"):
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN SELECT id, revision FROM studies WHERE {condition}")
            assert [row[3].split(" USING ")[0] for row in plan] == ["SEARCH studies"]
    with queries(sqlite_store) as seen:
        sqlite_store.page(after=7, limit=5)
    assert len(seen) == 6  # begin, and one query per table


def test_a_store_opened_again_gives_equal_records(sqlite_store: SqlStore, sqlite_url: str) -> None:
    study = sqlite_store.create_study("first", {"epsilon": 0.1})
    candidate = sqlite_store.start_candidate(study.id, some.proposal(1))
    finished = sqlite_store.finish_candidate(candidate.id, some.outcome(measurements=(some.latency(1 / 3),)))
    study = sqlite_store.update_study(study.id, context={"x": [1, 2.5, None]}, baseline=[some.latency(0.1)])
    sqlite_store.close()
    for read_only in (True, False):
        again = open_store(sqlite_url, read_only=read_only)
        assert again.study("first") == study
        assert again.candidates(study.id) == [finished]
        again.close()


def test_a_reader_sees_what_a_writer_writes_meanwhile_and_writes_nothing(
    sqlite_store: SqlStore, sqlite_url: str
) -> None:
    study = sqlite_store.create_study("first", {})
    reader = open_store(sqlite_url, read_only=True)
    sqlite_store.start_candidate(study.id, some.proposal(1))
    assert reader.candidates(study.id) == sqlite_store.candidates(study.id)
    for call in (lambda: reader.create_study("second", {}), lambda: reader.delete_study(study.id)):
        with pytest.raises(StoreUnusableError, match="open it for writing"):
            call()
    reader.close()
    assert [each.slug for each in sqlite_store.studies()] == ["first"]


def test_a_full_disk_is_said_so_and_nothing_is_half_written(sqlite_store: SqlStore) -> None:
    study = sqlite_store.create_study("first", {})
    candidate = sqlite_store.start_candidate(study.id, some.proposal(1))
    sqlite_store.close()  # the next connection is new, and finds the disk full
    event.listen(sqlite_store.database.engine, "connect", lambda c, _: c.execute("PRAGMA max_page_count = 1"))
    many = tuple(some.latency(1.0, batch=batch) for batch in range(1, 500))
    with pytest.raises(StoreError, match="disk is full") as caught:
        sqlite_store.finish_candidate(candidate.id, some.outcome(measurements=many))
    assert not isinstance(caught.value, StoreUnusableError)
    assert sqlite_store.candidates(study.id) == [candidate]


HERE, ELSEWHERE = Owner.of_this_process(), Owner(host="elsewhere", pid=1, started=1.0)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def store_of(sqlite_url: str) -> Iterator[object]:
    opened: list[SqlStore] = []

    def open_as(owner: Owner, *, at: datetime) -> SqlStore:
        url = parsed_url(sqlite_url)
        open_store(sqlite_url).close()
        opened.append(SqlStore(Database(new_engine(url, read_only=False), url), clock=lambda: at, owner=owner))
        return opened[-1]

    yield open_as
    for store in opened:
        store.close()


def test_a_study_of_another_machine_is_left_alone_while_that_keeps_writing(store_of) -> None:
    study = store_of(ELSEWHERE, at=NOON).create_study("first", {})
    early = store_of(HERE, at=NOON + timedelta(minutes=9))
    for call in (early.claim_study, early.delete_study):
        with pytest.raises(StudyBusyError, match=r"process 1 on 'elsewhere' wrote to it 540 s ago; .* 10 minutes"):
            call(study.id)
    assert early.study("first") == study
    late = store_of(HERE, at=NOON + timedelta(minutes=10))
    assert late.claim_study(study.id).state is StudyState.RUNNING


@pytest.mark.parametrize("state", [state for state in StudyState if state is not StudyState.RUNNING])
def test_a_study_that_does_not_run_belongs_to_nobody(store_of, state: StudyState) -> None:
    there = store_of(ELSEWHERE, at=NOON)
    study = there.create_study("first", {})
    there.update_study(study.id, state=state)
    here = store_of(HERE, at=NOON)
    assert here.claim_study(study.id).state is StudyState.RUNNING
    with pytest.raises(StudyBusyError):
        there.claim_study(study.id)


def test_a_process_may_claim_its_own_study_again(sqlite_store: SqlStore) -> None:
    study = sqlite_store.create_study("first", {})
    assert sqlite_store.claim_study(study.id).revision == 1


def test_the_file_is_where_the_url_says_and_nowhere_else(tmp_path: Path) -> None:
    path = tmp_path / "new directory" / "50% ε?.sqlite"
    url = f"sqlite:///{tmp_path / 'new directory'}/50% ε.sqlite"
    store = open_store(url)
    store.create_study("first", {})
    store.close()
    assert [each.name for each in path.parent.iterdir()] == ["50% ε.sqlite"]
