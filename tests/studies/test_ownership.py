"""Who counts as alive: asked of real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import psutil
import pytest

from studies.opening import open_store
from studies.ownership import QUIET, Owner, what_keeps
from studies.records import StudyState
from studies.sql.store import SqlStore
from studies.store import StudyBusyError

CLAIM_AND_WAIT = """
import sys
from studies.opening import open_store
print(open_store(sys.argv[1]).create_study("theirs", {}).id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def owner_of(pid: int) -> Owner:
    return replace(Owner.of_this_process(), pid=pid, started=psutil.Process(pid).create_time())


def test_this_process_is_itself_and_runs() -> None:
    here = Owner.of_this_process()
    assert here.pid == os.getpid()
    assert here.is_running()
    assert here.is_process(Owner.of_this_process())
    assert what_keeps(here, from_=here, quiet_for=timedelta(0)) is None


def test_a_live_process_keeps_what_it_has_however_quiet(sleeper: subprocess.Popen[str]) -> None:
    owner = owner_of(sleeper.pid)
    assert owner.is_running()
    assert f"process {sleeper.pid} on this machine" in str(
        what_keeps(owner, from_=Owner.of_this_process(), quiet_for=10 * QUIET)
    )


def test_a_killed_process_keeps_nothing_even_before_it_is_reaped(sleeper: subprocess.Popen[str]) -> None:
    owner = owner_of(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.pid_exists(sleeper.pid)
    assert not owner.is_running()
    sleeper.wait()
    assert not owner.is_running()
    assert what_keeps(owner, from_=Owner.of_this_process(), quiet_for=timedelta(0)) is None


def test_another_process_with_a_used_pid_is_not_mistaken(sleeper: subprocess.Popen[str]) -> None:
    owner = owner_of(sleeper.pid)
    assert not replace(owner, started=owner.started - 60).is_running()


@pytest.mark.parametrize(
    ("quiet_for", "kept"), [(timedelta(0), True), (QUIET - timedelta(seconds=1), True), (QUIET, False)]
)
def test_a_process_of_another_machine_is_believed_alive_while_it_writes(quiet_for: timedelta, kept: bool) -> None:
    elsewhere = replace(Owner.of_this_process(), host="elsewhere")
    assert (what_keeps(elsewhere, from_=Owner.of_this_process(), quiet_for=quiet_for) is not None) is kept


def test_a_study_is_refused_while_a_live_process_runs_it_and_given_when_it_is_killed(
    sqlite_store: SqlStore, sqlite_url: str
) -> None:
    command = [sys.executable, "-c", CLAIM_AND_WAIT, sqlite_url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        study_id = int(process.stdout.readline())
        before = sqlite_store.study("theirs")
        with pytest.raises(StudyBusyError, match=f"'theirs': process {process.pid} on this machine .* stop it first"):
            sqlite_store.claim_study(study_id)
        with pytest.raises(StudyBusyError):
            sqlite_store.delete_study(study_id)
        assert sqlite_store.study("theirs") == before
        process.kill()
        process.wait()
        assert sqlite_store.claim_study(study_id).state is StudyState.RUNNING


def test_a_second_store_of_this_process_is_the_same_owner(sqlite_store: SqlStore, sqlite_url: str) -> None:
    study = sqlite_store.create_study("first", {})
    second = open_store(sqlite_url)
    assert second.claim_study(study.id).state is StudyState.RUNNING
    second.close()
