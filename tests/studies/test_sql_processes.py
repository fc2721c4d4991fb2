"""Several processes at once, and processes that are killed: nothing is lost but the candidate in flight."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import store_examples as some

from studies.opening import open_store
from studies.records import CandidateState

WRITE = """
import sys
import store_examples as some
from studies.opening import open_store
store = open_store(sys.argv[1])
study = store.study("first")
first, last = int(sys.argv[2]), int(sys.argv[3])
for number in range(first, last):
    candidate = store.start_candidate(study.id, some.proposal(number))
    store.finish_candidate(candidate.id, some.outcome(measurements=(some.flops(number), some.latency(0.1))))
    store.update_study(study.id, add_seconds={"search": 1.0})
    store.candidates(study.id)
    print(number, flush=True)
store.close()
"""
CREATE = """
import sys
from studies.opening import open_store
store = open_store(sys.argv[1])
store.create_study(sys.argv[2], {})
store.close()
"""


def python(program: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors


def test_processes_that_make_one_database_at_once_all_find_it_whole(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.sqlite'}"
    finish([python(CREATE, url, f"study-{number}") for number in range(4)])
    store = open_store(url, read_only=True)
    assert {study.slug for study in store.studies()} == {f"study-{number}" for number in range(4)}
    store.close()


def test_processes_writing_to_one_database_wait_for_each_other(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    study = store.create_study("first", {})
    finish([python(WRITE, sqlite_url, worker * 15, worker * 15 + 15) for worker in range(3)])
    candidates = store.candidates(study.id)
    assert [each.number for each in candidates] == list(range(45))
    assert {each.config for each in candidates} == {some.config(number) for number in range(45)}
    assert all(each.state is CandidateState.COMPLETE for each in candidates)
    assert (store.study("first").revision, store.study("first").seconds) == (135, {"search": 45.0})
    store.close()


def test_a_killed_writer_loses_at_most_the_candidate_in_flight(sqlite_url: str, tmp_path: Path) -> None:
    store = open_store(sqlite_url)
    study = store.create_study("first", {})
    in_flight: list[int] = []
    for life in range(5):
        done = len(store.candidates(study.id)) - len(in_flight)
        process = python(WRITE, sqlite_url, done, 100_000)
        assert process.stdout is not None
        said = int(process.stdout.readline())
        time.sleep(0.01 + 0.037 * life)  # anywhere in the loop
        process.kill()
        rest, _ = process.communicate()
        said = max([said, *map(int, rest.split())])

        reader = open_store(sqlite_url, read_only=True)  # what the dead process left behind is recovered here
        candidates = reader.candidates(study.id)
        reader.close()
        in_flight = [each.id for each in candidates if each.state is CandidateState.RUNNING]
        finished = [each for each in candidates if each.state is CandidateState.COMPLETE]
        assert said <= len(finished) - 1 <= said + 1
        assert [each.config for each in candidates] == [some.config(number) for number in range(len(candidates))]
        assert all(len(each.measurements) == 2 for each in finished)
        assert [each.number for each in candidates if each.id in in_flight] == [len(finished)] * len(in_flight)
        for candidate_id in in_flight:
            assert store.start_candidate(study.id, some.proposal(len(finished))).id == candidate_id
    store.close()
    with closing(sqlite3.connect(tmp_path / "studies.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
