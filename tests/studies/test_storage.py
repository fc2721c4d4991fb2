"""Tending a database: whatever is copied, backed up or upgraded is whole, and everything else is refused untouched."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import store_examples as some
from alembic import command
from postgresql import new_database
from sqlalchemy import create_engine, text, update

from studies import storage
from studies.keys import Scope
from studies.opening import open_service, open_store
from studies.records import StudyState
from studies.sql import backup, copying, schema
from studies.sql.tables import JobRow, StudyRow
from studies.store import StoreUnavailableError, StoreUnusableError, StudyBusyError


def filled(url: str) -> str:
    """A database with a row of nearly every kind, texts that databases order differently, and a number given up."""
    service = open_service(url)
    alice, _ = service.keys.add("alice", [Scope.READ, Scope.WRITE])
    for slug in ("first", "b-second", "a.third"):
        study = service.submit(slug, {"epsilon": 0.1, "who": "Zoë \U0001f40d"}, owner=alice.id, idempotency_key=slug)
        service.store.label_study(study.id, tags=["Zebra", "apple", "Äpfel", "_x"], note="'quoted'")
        for number in range(3):
            candidate = service.store.start_candidate(study.id, some.proposal(number))
            measured = (some.flops(), some.latency(1 / 3), some.latency(5e-324, batch=2))
            service.store.finish_candidate(candidate.id, some.outcome(1 / 3, measurements=measured))
        service.store.verify_candidate(candidate.id, some.verification())
        service.store.update_study(study.id, baseline=[some.flops(1e300)], add_seconds={"load": 0.1, "Bank": 0.2})
    given_up = service.store.create_study("gone", {}, state=StudyState.COMPLETE)
    service.store.delete_study(given_up.id)
    service.close()
    return url


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return filled(f"sqlite:///{tmp_path_factory.mktemp('source')}/studies.sqlite")


@pytest.fixture
def own_source(source: str, tmp_path: Path) -> str:
    """A source that a test may change."""
    shutil.copy(source.removeprefix("sqlite:///"), tmp_path / "s.sqlite")
    return f"sqlite:///{tmp_path}/s.sqlite"


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/new/copy.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/copy.sqlite"
    return new_database(request.getfixturevalue("server_url"), "copied")


def everything(url: str) -> list[object]:
    """All that a user could see of a database."""
    service = open_service(url)
    studies = service.store.studies()
    seen: list[object] = [studies, list(service.keys.keys()), service.events.after(0, limit=999)]
    seen += [(service.store.candidates(study.id), service.jobs.jobs(study.id)) for study in studies]
    service.close()
    return seen


def test_a_copy_shows_what_the_source_shows_and_numbers_on(source: str, either: str, tmp_path: Path) -> None:
    done = storage.copy(source, either)
    assert (done.rows["studies"], done.rows["candidates"], done.rows["study_tags"]) == (3, 9, 12)
    assert (done.found, done.waiting) == (0, 3)
    assert everything(either) == everything(source)
    assert storage.check(either).faults == []
    assert all(size > 0 for size in storage.vacuum(either))
    back = f"sqlite:///{tmp_path}/back.sqlite"
    assert storage.copy(either, back).rows == done.rows
    assert everything(back) == everything(source)
    for url in (either, back):
        store = open_store(url)
        assert store.create_study("next", {}, state=StudyState.COMPLETE).id == 5  # 4 was given to a study that is gone
        store.close()


def test_a_copy_that_is_broken_off_is_refused_by_all_and_goes_on(
    source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "AT_ONCE", 4)

    def stops(table: str, rows: int) -> None:
        if table == "measurements" and rows > 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.copy(source, target, progress=stops)
    for read_only in (True, False):
        with pytest.raises(StoreUnusableError, match="a copy into it has not ended; run `optimize storage copy` again"):
            open_store(target, read_only=read_only)
    with pytest.raises(StoreUnusableError, match="has not ended"):
        storage.check(target)
    seen: list[tuple[str, int]] = []
    done = storage.copy(source, target, progress=lambda table, rows: seen.append((table, rows)))
    assert done.found > done.rows["studies"] + done.rows["candidates"]
    assert ("measurements", 16) in seen
    assert not {"studies", "candidates"} & {table for table, _ in seen}
    assert everything(target) == everything(source)


def test_a_copy_of_what_has_changed_since_begins_again(own_source: str, either: str) -> None:

    def stops(table: str, rows: int) -> None:
        if table == "events":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.copy(own_source, either, progress=stops)
    store = open_store(own_source)
    store.delete_study(store.study("b-second").id)
    store.close()
    assert storage.copy(own_source, either).found == 0
    assert everything(either) == everything(own_source)


def test_a_source_that_is_written_meanwhile_is_noticed(own_source: str, target: str) -> None:

    def writes(table: str, rows: int) -> None:
        if table == "jobs":
            store = open_store(own_source)
            store.label_study(store.study("first").id, note="written meanwhile")
            store.close()

    with pytest.raises(StoreUnavailableError, match="table studies is not as it was when the copy began"):
        storage.copy(own_source, target, progress=writes)
    storage.copy(own_source, target)
    assert everything(target) == everything(own_source)


def test_a_source_where_someone_works_is_refused_before_a_target_is_made(own_source: str, tmp_path: Path) -> None:
    service = open_service(own_source)
    claimed = service.jobs.claim("w", lease_s=60)
    assert claimed is not None
    with pytest.raises(StudyBusyError, match=r"job 1 of study 'first': worker 'w' has it; stop the worker first"):
        storage.copy(own_source, f"sqlite:///{tmp_path}/copy.sqlite")
    assert not (tmp_path / "copy.sqlite").exists()
    assert storage.check(own_source).is_open == ["job 1 of study 'first': worker 'w' has it; stop the worker first"]
    with service.database.write() as session:  # the worker died a minute ago
        session.execute(update(JobRow).values(lease_until=datetime.now(UTC) - timedelta(minutes=1)))
    service.close()
    assert storage.copy(own_source, f"sqlite:///{tmp_path}/copy.sqlite").waiting == 2


def test_another_live_process_keeps_its_study_from_being_copied(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.sqlite"
    store = open_store(url)
    store.create_study("mine", {})
    with store.database.write() as session:
        session.execute(update(StudyRow).values(owner_pid=1, owner_started=_started(1)))
    store.close()
    with pytest.raises(StudyBusyError, match="study 'mine': process 1 on this machine is running it"):
        storage.copy(url, f"sqlite:///{tmp_path}/copy.sqlite")


def _started(pid: int) -> float:
    import psutil

    return psutil.Process(pid).create_time()


def test_a_target_that_holds_something_is_refused_and_left_alone(source: str, own_source: str) -> None:
    before = everything(own_source)
    with pytest.raises(StoreUnusableError, match="holds studies or keys already; name an empty database"):
        storage.copy(source, own_source)
    assert everything(own_source) == before


def test_another_programs_file_is_refused_byte_for_byte(source: str, tmp_path: Path) -> None:
    path = tmp_path / "theirs.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER PRIMARY KEY)")
    before = path.read_bytes()
    with pytest.raises(StoreUnusableError, match="holds another program's tables; name an empty database"):
        storage.copy(source, f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_an_empty_database_with_tables_of_ours_takes_a_copy(source: str, target: str) -> None:
    open_store(target).close()
    storage.copy(source, target)
    assert everything(target) == everything(source)


def test_a_copy_of_another_source_does_not_go_on_with_this_one(source: str, own_source: str, target: str) -> None:
    def stops(table: str, rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.copy(source, target, progress=stops)
    with pytest.raises(StoreUnusableError, match=r"a copy of sqlite:.*source.* into it has not ended; finish that one"):
        storage.copy(own_source, target)


def test_a_database_is_not_copied_into_itself(source: str) -> None:
    with pytest.raises(StoreUnusableError, match="cannot be copied into itself"):
        storage.copy(source, source.replace("studies.sqlite", "../" + Path(source).parent.name + "/studies.sqlite"))


COPYING = """
import os, signal, sys
from studies import storage
from studies.sql import copying
copying.AT_ONCE = 3
def killed(table, rows):
    if table == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)
storage.copy(sys.argv[1], sys.argv[2], progress=killed)
"""


def test_a_copy_that_was_killed_goes_on_in_another_process(source: str, tmp_path: Path) -> None:
    target = f"sqlite:///{tmp_path}/copy.sqlite"
    command = [sys.executable, "-c", COPYING, source, target, "candidates"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    assert storage.copy(source, target).found > 0
    assert everything(target) == everything(source)


def test_a_row_that_cannot_be_read_is_named_and_nothing_is_finished(own_source: str, tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE candidates SET coordinates = '[0.1,' WHERE id = 2")
        connection.execute("UPDATE studies SET state = 'strange' WHERE id = 1")
        connection.commit()
    faults = storage.check(own_source).faults
    assert [fault.partition(": cannot be read")[0] for fault in faults] == [
        "table studies, id 1",
        "table candidates, id 2",
    ]
    with pytest.raises(
        StoreUnusableError, match=r"a row cannot be read .* `optimize storage check` names all such rows"
    ):
        storage.copy(own_source, f"sqlite:///{tmp_path}/copy.sqlite")


def test_rows_of_a_study_that_is_gone_are_a_fault(own_source: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "s.sqlite")) as connection:
        connection.execute("DELETE FROM candidates WHERE id = 1")
        connection.commit()
    assert any("belongs to a row of candidates that is gone" in fault for fault in storage.check(own_source).faults)


def test_a_damaged_file_is_a_fault_or_refused(own_source: str, tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 3 * 4096] = b"\xff" * (3 * 4096)
    path.write_bytes(content)
    try:
        assert storage.check(own_source).faults
    except StoreUnusableError as error:
        assert "not a sound SQLite database" in str(error)
    with pytest.raises(StoreUnusableError, match=r"damaged|not a sound SQLite database"):
        storage.back_up(own_source, tmp_path / "kept.sqlite")
    assert [each.name for each in tmp_path.iterdir() if "kept" in each.name] == []


def test_a_backup_is_taken_while_others_write(own_source: str, tmp_path: Path) -> None:
    before = everything(own_source)
    kept = tmp_path / "kept.sqlite"
    store = open_store(own_source)
    with store.database.write() as session:
        session.execute(update(StudyRow).values(note="not yet"))
        assert storage.back_up(own_source, kept) == kept.stat().st_size
    store.close()
    assert everything(f"sqlite:///{kept}") == before
    with pytest.raises(StoreUnusableError, match="exists already; name a new file"):
        storage.back_up(own_source, kept)
    with pytest.raises(StoreUnusableError, match="no directory where you may write"):
        storage.back_up(own_source, tmp_path / "nowhere" / "kept.sqlite")


def test_a_backup_for_which_there_is_no_room_names_its_own_place(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = backup._opened

    def bounded(path: Path, mode: str) -> sqlite3.Connection:
        connection = opened(path, mode)
        if mode != "ro":
            connection.execute("PRAGMA max_page_count = 2")
        return connection

    monkeypatch.setattr(backup, "_opened", bounded)
    with pytest.raises(StoreUnavailableError, match=rf"backup: {tmp_path} has no room for the file .*another file"):
        storage.back_up(source, tmp_path / "kept.sqlite")
    assert not list(tmp_path.iterdir())


def test_a_server_is_not_backed_up_into_a_file(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusableError, match="use pg_dump, or copy it into a file by `optimize storage copy`"):
        storage.back_up("postgresql+psycopg://me:hunter2@localhost/x", tmp_path / "kept.sqlite")


def older(url: str) -> str:
    engine = create_engine(url)
    with engine.begin() as connection:
        config = schema.migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(text(OLD_STUDY))
    engine.dispose()
    return url


OLD_STUDY = """
INSERT INTO studies (id, slug, uid, spec, state, revision, created_at, updated_at, context)
VALUES (1, 'old', 'u', '{}', 'interrupted', 3, '2026-01-01 12:00:00', '2026-01-01 12:00:00', '{}')
"""
OLD_JOB = """
INSERT INTO jobs (study_id, kind, payload, state, priority, attempts, max_attempts, cancel_requested, created_at,
                  worker, lease_until)
VALUES (1, 'run', '{}', 'running', 0, 1, 3, :no, '2026-01-01 12:00:00', 'w', :until)
"""


def test_an_older_database_is_migrated_on_request(either: str) -> None:
    older(either)
    found = storage.check(either)
    assert (found.version, found.is_current, found.rows["studies"], found.faults) == ("0002", False, 1, [])
    with pytest.raises(StoreUnusableError, match="optimize storage migrate"):
        storage.copy(either, "sqlite:///unused.sqlite")
    done = storage.migrate(either)
    assert (done.before, done.after) == ("0002", storage.check(either).version)
    assert storage.migrate(either).before == done.after


def test_a_database_where_an_older_worker_works_is_not_upgraded(either: str) -> None:
    older(either)
    engine = create_engine(either)
    soon = datetime.now(UTC) + timedelta(minutes=1)
    with engine.begin() as connection:
        connection.execute(text(OLD_JOB), {"no": False, "until": soon.strftime("%Y-%m-%d %H:%M:%S+00:00"[:-6])})
    for opening in (storage.migrate, open_store):
        with pytest.raises(StudyBusyError, match=r"older version .* worker 'w' has it; stop the worker first"):
            opening(either)
    assert storage.check(either).version == "0002"
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET lease_until = '2026-01-01 12:00:00'"))
    engine.dispose()
    assert storage.migrate(either).before == "0002"


def test_what_is_no_database_is_not_migrated(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusableError, match="there is no such database to migrate"):
        storage.migrate(f"sqlite:///{tmp_path}/missing.sqlite")
    assert list(tmp_path.iterdir()) == []
