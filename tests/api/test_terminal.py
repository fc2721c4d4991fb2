"""What a person sees at the terminal: names checked before anything heavy, plain refusals, every width and encoding."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from alembic.command import downgrade
from command_line import ROOT, run_here
from rich.console import Console
from sqlalchemy import create_engine
from stored_studies import figure, put_study

from api.cli.app import run
from api.cli.live import LiveProgress
from objectives.measurement import Interval
from optimizer.progress import STUDY, Event
from search_spaces.config import Config
from studies.jobs import JobKind
from studies.limits import Limits
from studies.opening import open_service, open_store
from studies.records import Candidate, CandidateState, Origin, Outcome, Proposal, StudyState, Verification
from studies.sql.schema import migrations

KNOWN = ["--model", "bert-base", "--task", "sst2", "--epsilon", "0.01"]


class Typed:
    """Types commands in this process: returns the exit code, keeps what went to which stream."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.url = root, f"sqlite:///{root}/s.sqlite"
        self._capsys, self._patch = capsys, monkeypatch
        self._shared = ["--storage", self.url, "--cache-dir", str(root / "cache")]
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        self._patch.setattr(sys, "argv", ["optimize", *self._shared, *arguments])
        code = run()
        self.out, self.err = self._capsys.readouterr()
        return code

    def put(self, slug: str, **study: Any) -> None:
        with closing(open_store(self.url)) as store:
            put_study(store, slug, **study)


@pytest.fixture
def typed(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typed:
    return Typed(tmp_path, capsys, monkeypatch)


NAMES = (
    (["--model", "bert-bas", "--task", "sst2", "--epsilon", "0.01"], "did you mean 'bert-base'"),
    (["--model", "bert-base", "--task", "sst3", "--epsilon", "0.01"], "did you mean 'sst2'"),
    ([*KNOWN, "--data", "/nowhere/at/all"], "there is no directory or file"),
    ([*KNOWN, "--study", "No Spaces"], "the name 'No Spaces' cannot be used"),
    ([*KNOWN, "--study", "taken"], "optimize resume taken"),
    ([*KNOWN, "--storage", "sqlite:////proc/nowhere/s.sqlite"], "cannot be made"),
    ([*KNOWN, "--storage", "mysql://here"], "storage: "),
    ([*KNOWN, "--config", "/nowhere.toml"], "--config: cannot read"),
    ([*KNOWN, "--output", "/dev/null/report.html"], "--output: /dev/null is not a directory"),
    ([*KNOWN, "--dry-run", "--metric", "pearson"], "--metric: 'pearson' does not fit"),
    ([*KNOWN, "--dry-run", "--study", "a/b"], "the name 'a/b' cannot be used"),
    ([*KNOWN, "--dry-run", "--study", "taken"], "optimize resume taken"),
    (["serve", "--export-days", "0"], "--export-days"),
    ([*KNOWN, "--no-such-option"], "No such option"),
    (["resume", "taken"], "is running it"),
    (["resume", "nothing"], "none is called 'nothing'"),
    (["resume", "done", "--epsilon", "1.5"], "--epsilon: must be above the study's own 0.05 and below 1, got 1.5"),
    (["--help"], "Usage"),
    (["--version"], "pruning-optimizer"),
    (["studies"], "taken"),
)
HEAVY = ("torch", "transformers", "pandas", "optuna", "plotly", "scipy", "sklearn", "datasets", "pyarrow", "fastapi")
IN_TURN = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from api.cli.app import run

commands, heavy = json.loads(sys.argv[1])
done = []
for arguments in commands:
    sys.argv = ["optimize", *arguments]
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        code = run()
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]
    done.append([code, *said, sorted({*heavy} & {*sys.modules})])
json.dump(done, sys.stdout)
"""


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str, str, list[str]]]:
    """Return exit code, both streams and the heavy imports so far of every command, all typed in one new process."""
    url = f"sqlite:///{tmp_path_factory.mktemp('names')}/s.sqlite"
    with closing(open_store(url)) as store:
        put_study(store, "taken")
        store.update_study(put_study(store, "done").id, state=StudyState.COMPLETE)
        commands = [[*([] if "--storage" in each else ["--storage", url]), *each] for each, _ in NAMES]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "300", "NO_COLOR": "1"}
        command = [sys.executable, "-c", IN_TURN, json.dumps([commands, HEAVY])]
        done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
        assert not done.returncode, done.stderr
        assert len(store.studies()) == 2
    return [tuple(each) for each in json.loads(done.stdout)]


@pytest.mark.parametrize("which", range(len(NAMES)), ids=[message for _, message in NAMES])
def test_names_are_checked_before_anything_heavy_is_imported(
    which: int, answered: list[tuple[int, str, str, list[str]]]
) -> None:
    (arguments, message), (code, out, err, heavy) = NAMES[which], answered[which]
    assert not heavy
    assert code == (0 if arguments[-1] in ("--help", "--version", "studies") else 2), err
    assert message in out + err
    assert "Traceback" not in err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_letters_that_an_encoding_lacks_are_spelled_out(encoding: str, typed: Typed) -> None:
    typed.put("first", candidates=[(0.01, 0.5), (0.02, 0.4)])
    with closing(open_store(typed.url)) as store:
        store.update_study(store.study("first").id, context={"notes": ["负面 is a label"]})
    for arguments, text in ((["show", "first"], "epsilon = 0.05"), (["show", "first", "--json"], r"\u8d1f\u9762")):
        shared = ["--storage", typed.url]
        done = run_here([*shared, *arguments], environment=os.environ, directory=typed.root, encoding=encoding)
        assert done.returncode == 0, done.stderr
        assert text in done.stdout


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--threads", "100000"), ("--trials", "1e9"), ("--trials", "1000000000"), ("--seed", str(2**63)),
        ("--seed", "-1"), ("--timeout", "nan"), ("--timeout", "1e400"), ("--batch-size", "0"), ("--max-length", "-3"),
        ("--calibration-examples", "9" * 30), ("--round-to", "9" * 30), ("--max-flops-ratio", "inf"),
    ],
)  # fmt: skip
def test_a_number_out_of_bounds_is_refused_by_its_option(option: str, value: str, typed: Typed) -> None:
    assert typed(*KNOWN, option, value) == 2
    assert option in typed.err
    assert len(typed.err) < 700


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--workers 999", "--workers: 999 of 1 thread(s) need 999 cores, and this machine has "),
        ("--workers 2 --engine in-process", "--workers: of one process are 1; leave --engine out, or give --engine"),
        ("--candidate-timeout 0", "--candidate-timeout: a number of seconds above 0, got 0.0"),
    ],
)
def test_workers_that_cannot_be_had_are_refused_before_anything_is_stored(
    options: str, said: str, typed: Typed
) -> None:
    assert typed(*KNOWN, "--threads", "1", *options.split()) == 2
    assert said in typed.err
    with closing(open_store(typed.url)) as store:
        assert not store.studies()


def test_a_server_s_runs_take_no_workers_of_the_command(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed, "_shared", [])
    for command in (KNOWN, ["resume", "s"]):
        assert typed(*command, "--workers", "2", "--server", "http://127.0.0.1:9") == 2
        assert "--server: http://127.0.0.1:9 runs studies in its own workers" in typed.err


@pytest.mark.parametrize("width", [40, 80, 120])
def test_count_and_time_left_are_seen_at_every_width(width: int) -> None:
    console = Console(file=StringIO(), width=width, record=True)
    with LiveProgress(console, epsilon=0.05, interrupted=str) as live:
        live(Event(stage="search", done=1, total=250))
        live(Event(stage="search", done=37, total=250, candidate=evaluated(drop=0.04)))
    shown = console.export_text().splitlines()
    assert any(re.search(r"37/250 +-?-?[\d:-]+", line) for line in shown), shown
    assert all(len(line.rstrip()) <= width for line in shown)
    assert (width < 76) or any("least within ε: 1 G FLOPs" in line for line in shown)


def test_a_resumed_study_remembers_its_stored_candidates(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from api.cli.local import LocalStudies

    def search(*_: object, listener: LiveProgress, **__: object) -> None:
        listener(Event(stage="search", done=2, total=3))

    typed.put("first", candidates=[(0.01, 0.6), (0.2, 0.1)])
    monkeypatch.setattr("optimizer.run.resume", search)
    console = Console(file=StringIO(), width=120, record=True)
    LocalStudies(typed.url, tmp_path / "cache").resume("first", epsilon=None, console=console)
    assert re.search(r"2/3 .*least within ε: [0-9.]+ [GM] FLOPs", console.export_text())


def test_a_candidate_over_epsilon_is_not_called_least_within_it() -> None:
    console = Console(file=StringIO(), width=120, record=True)
    with LiveProgress(console, epsilon=0.05, interrupted=str) as live:
        live(Event(stage="search", done=37, total=250, candidate=evaluated(drop=0.06)))
    assert "least within" not in console.export_text()


def evaluated(*, drop: float) -> Candidate:
    outcome = Outcome(state=CandidateState.COMPLETE, drop=drop, seen=200)
    proposal = Proposal(config=Config.of({"layer.0.heads": 1}), origin=Origin.LADDER)
    return Candidate(
        id=1, study_id=1, number=36, proposal=proposal, state=CandidateState.COMPLETE, outcome=outcome,
        measurements=(figure("flops", 1e9),),
    )  # fmt: skip


def test_an_interrupt_names_the_study_and_where_it_is(tmp_path: Path) -> None:
    from api.cli.local import LocalStudies

    here = LocalStudies(f"sqlite:///{tmp_path}/s.sqlite", tmp_path / "a cache")
    console = Console(file=StringIO(), record=True, width=400)

    def interrupted(*events: Event) -> str:
        with (
            pytest.raises(KeyboardInterrupt),
            LiveProgress(console, epsilon=0.1, interrupted=here._interrupted) as live,
        ):
            for event in events:
                live(event)
            raise KeyboardInterrupt
        return console.export_text()

    assert "nothing is stored" in interrupted()
    said = interrupted(Event(stage=STUDY, text="mine-1"))
    assert f"optimize resume mine-1 --storage sqlite:///{tmp_path}/s.sqlite --cache-dir '{tmp_path}/a cache'" in said


def test_a_killed_study_is_interrupted_for_whoever_looks(tmp_path: Path, typed: Typed) -> None:
    code = f"""
import sys, time
from studies.opening import open_store
open_store({typed.url!r}).create_study("killed", {{"model": "m", "task": "sst2", "epsilon": 0.1}})
print("made", flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, text=True, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "made\n"
    assert typed("studies") == 0
    assert "running" in typed.out
    assert typed("cancel", "killed") == 2
    assert "press Ctrl-C there" in typed.err
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert typed("studies") == 0
    assert "interrupted" in typed.out
    assert typed("show", "killed") == 0
    assert "stopped without a word" in typed.out
    assert "optimize resume killed" in typed.out
    assert typed("cancel", "killed") == 2
    assert "optimize resume killed" in typed.err


def test_resuming_a_complete_study_says_what_would_add_to_it(typed: Typed) -> None:
    typed.put("first", candidates=[(0.01, 0.6)])
    with closing(open_store(typed.url)) as store:
        store.update_study(store.study("first").id, state=StudyState.COMPLETE)
    typed("resume", "first", "--json")
    assert "first is complete; only a larger --epsilon can add to it" in typed.err


def test_keys_are_listed_with_the_owners_that_they_read(typed: Typed) -> None:
    assert typed("keys", "add", "alice") == 0
    assert typed("keys", "add", "board", "--scopes", "read", "--owners", "alice") == 0
    assert typed("keys", "add", "wall", "--scopes", "read", "--owners", "all") == 0
    assert typed("keys", "list") == 0
    alice, board, wall = typed.out.splitlines()
    assert "reads" not in alice
    assert board.endswith("board  read  valid  reads alice")
    assert wall.endswith("reads all")


def test_quotas_are_set_with_a_key_changed_alone_and_shown_with_what_is_used(typed: Typed) -> None:
    assert typed("keys", "add", "alice", "--queued", "20", "--candidates", "5000") == 0
    assert typed("keys", "quota", "alice", "--queued", "unlimited", "--running", "2") == 0
    assert typed.out.endswith("valid  running 0 of 2  candidates 0 of 5000\n")
    assert typed("keys", "list", "--json") == 0
    [alice] = json.loads(typed.out)["items"]
    assert alice["quota"] == {"queued": None, "running": 2, "candidates": 5000}
    assert alice["used"] == {"queued": 0, "running": 0, "candidates": 0}
    for wrong in ("0", "-1", "1.5", "1e3", "²", "none", str(2**31)):
        assert typed("keys", "quota", "alice", f"--queued={wrong}") == 2
        assert "--queued: " in typed.err and "or unlimited" in typed.err
    assert typed("keys", "quota", "nobody") == 2


def test_a_deleted_study_takes_its_exports_along(typed: Typed) -> None:
    typed.put("first", candidates=[(0.01, 0.6)])
    with closing(open_store(typed.url)) as store:
        store.update_study(store.study("first").id, state=StudyState.COMPLETE)
    with closing(open_service(typed.url)) as service:
        job = service.jobs.enqueue(service.store.study("first").id, JobKind.EXPORT, {"candidate": 0})
    folders = [typed.root / "cache" / "artifacts" / f"job-{number}-1" for number in (job.id, job.id + 1)]
    for folder in folders:
        folder.mkdir(parents=True)
    assert typed("delete", "first", "--yes") == 0
    assert [folder.exists() for folder in folders] == [False, True]


def test_a_reading_command_upgrades_an_older_database(typed: Typed) -> None:
    typed.put("first", candidates=[(0.01, 0.6)])
    engine = create_engine(typed.url)
    with engine.begin() as connection:
        config = migrations()
        config.attributes["connection"] = connection
        downgrade(config, "0005")
    engine.dispose()
    assert typed("studies") == 0
    assert "first" in typed.out
    assert typed("front", "first") == 0


def test_a_shortlist_is_called_verified_once_it_is(typed: Typed) -> None:
    typed.put("first", candidates=[(0.01, 0.6), (0.02, 0.4)])
    with closing(open_store(typed.url)) as store:
        study = store.study("first")
        store.shortlist(study.id, [store.candidates(study.id)[0].id])
        assert typed("show", "first") == 0
        assert "shortlist of 1, not all verified yet" in typed.out
        store.update_study(study.id, state=StudyState.COMPLETE)
    assert typed("show", "first") == 0
    assert "shortlist of 1, verified once" in typed.out


def test_a_study_without_candidates_says_where_it_stands(typed: Typed) -> None:
    typed.put("begun")
    typed.put("loading", has_baseline=False)
    with closing(open_store(typed.url)) as store:
        store.update_study(store.study("begun").id, state=StudyState.INTERRUPTED)
    assert typed("show", "begun") == 0
    assert "interrupted; `optimize resume begun" in typed.out
    assert "no candidate has been evaluated" in typed.err
    for absent in ("feasible", "verified once", "verdict", "time:"):
        assert absent not in typed.out
    assert typed("show", "loading") == 0
    assert "the dense model has not been measured yet" in typed.err
    assert typed("export", "begun", "0", "there") == 2
    assert "'begun' is interrupted and has no fully evaluated candidate" in typed.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--epsilon", "0"], "no candidate has a drop within 0; the smallest drop was 0.0100"),
        (["--max-flops-ratio", "0.0001"], "--max-flops-ratio is 0.0001, the lowest is 0.5"),
        (["--objectives", "energy"], "energy was not measured on any candidate within ε"),
        (["--max-latency-ratio", "0.9"], "latency was not measured on any candidate within ε"),
    ],
)
def test_an_empty_front_exits_with_3_and_says_what_stands_in_the_way(
    arguments: list[str], reason: str, typed: Typed
) -> None:
    typed.put("first", candidates=[(0.01, 0.6), (0.02, 0.5), (0.3, 0.1)])
    assert typed("front", "first", *arguments, "--json") == 3
    assert reason in typed.err
    assert typed("front", "first", *arguments) == 3
    assert reason in typed.err
    assert ("verdict" in typed.out) == (arguments[0] == "--epsilon")  # the least violating candidates, if there are any
    assert typed("front", "first") == 0
    assert typed("front", "first", "--max-flops-ratio", "nan") == 2


def test_a_metric_of_zero_has_no_relative_change(typed: Typed) -> None:
    typed.put("useless", candidates=[(0.0, 0.5)], dense=0.0, metric="matthews")
    with closing(open_store(typed.url)) as store:
        study = store.study("useless")
        store.update_study(study.id, baseline=[*study.baseline, figure("verification_matthews", 0.0)])
        (only,) = store.candidates(study.id)
        store.shortlist(study.id, [only.id])
        verification = Verification(
            examples="v", n=200, metric=0.0, drop=0.0, interval=Interval(lower=0.0, upper=0.0), lost=0, gained=0
        )
        store.verify_candidate(only.id, verification)
    assert typed("show", "useless") == 0
    assert "matthews (n = 200, verification)" in typed.out
    assert typed("report", "useless", "--output", str(typed.root / "report.html")) == 0


def test_a_locked_database_is_one_sentence(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    monkeypatch.setattr(open_service, "__kwdefaults__", {"limits": Limits(lock_s=0.05)})
    typed.put("first")
    with closing(sqlite3.connect(typed.url.removeprefix("sqlite:///"))) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        assert typed("delete", "first", "--yes") == 1
    assert time.monotonic() - started < 20
    assert "another process keeps the database locked" in typed.err
    assert "Traceback" not in typed.err
