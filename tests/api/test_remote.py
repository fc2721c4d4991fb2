"""`--server URL` as a user types it, to a real server with a worker; what is printed is what is local."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from command_line import Cli
from served import Place, save_assets
from tiny_checkpoints import LABELS, save_data

from api.client import AsyncClient, Client, Patience
from api.http.state import LOOKED_EVERY_S

TRIALS = 6


class Remote(Cli):
    """Runs `optimize` for a server, from a place with neither database nor cache."""

    def __init__(self, root: Path, assets: Path, port: int) -> None:
        super().__init__(root, assets)
        self.url = f"http://127.0.0.1:{port}"
        self.shared = ["--server", self.url]


class Served:
    """A server with a worker beside it, over the database of `local`."""

    def __init__(self, root: Path, place: Place) -> None:
        self.local = Cli(root, place.assets)
        (root / "elsewhere").mkdir()
        self.remote = Remote(root / "elsewhere", place.assets, place.port)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("served")
    place = Place(root, save_assets(tmp_path_factory.mktemp("assets")))
    place.start()
    with place.working():
        yield Served(root, place)
    place.stop()


@pytest.fixture(scope="module")
def finished(served: Served) -> tuple[Served, dict[str, object]]:
    done = served.remote(*served.remote.study("--study", "first", "--json", trials=TRIALS))
    assert done.returncode == 0, done.stderr
    assert "study first is queued at http" in done.stderr
    return served, json.loads(done.stdout)


def test_a_run_at_a_server_prints_what_a_run_here_prints(finished: tuple[Served, dict[str, object]]) -> None:
    served, there = finished
    done = served.local(*served.local.study("--study", "here", "--json", trials=TRIALS))
    assert done.returncode == 0, done.stderr
    here = json.loads(done.stdout)
    assert here.keys() == there.keys()
    for name in (
        "state",
        "model",
        "epsilon",
        "metric",
        "knee",
        "shortlist_size",
        "candidates_evaluated",
        "hypervolume",
    ):
        assert here[name] == there[name], name
    timed = (
        "latency",
        "latency_ratio",
        "latency_gain",
        "energy",
        "energy_j",
        "energy_dense_j",
        "energy_ratio",
        "energy_ratio_interval",
        "energy_gain",
        "energy_interval",
        "peak_memory_bytes",
        "memory_ratio",
    )
    fronts = [
        [{name: value for name, value in member.items() if name not in timed} for member in result["front"]]
        for result in (here, there)
    ]
    differing = {name: (a[name], b[name]) for a, b in zip(*fronts, strict=True) for name in a if a[name] != b[name]}
    assert differing == {}
    assert not list(served.remote.root.glob("*.sqlite"))


@pytest.mark.parametrize("arguments", [["studies"], ["show", "first"], ["front", "first", "--epsilon", "0.5"]])
def test_every_reading_command_answers_alike(finished: tuple[Served, dict[str, object]], arguments: list[str]) -> None:
    served, _ = finished
    resume_hint = re.compile(r"`optimize\s+resume[^`]*`")  # names the server there, the database here
    for more in ([], ["--json"]):
        here, there = served.local(*arguments, *more), served.remote(*arguments, *more)
        assert here.returncode == there.returncode == 0, here.stderr + there.stderr
        assert resume_hint.sub("", here.stdout) == resume_hint.sub("", there.stdout)
        assert here.stdout.strip()


def test_the_report_and_the_export_are_the_same_as_here(
    finished: tuple[Served, dict[str, object]], tmp_path: Path
) -> None:
    served, result = finished
    candidate = str(result["front"][0]["candidate"])  # type: ignore[index]
    for place, cli in (("here", served.local), ("there", served.remote)):
        for arguments in (
            ["report", "first", "--output", str(tmp_path / place / "report.html")],
            ["export", "first", candidate, str(tmp_path / place / "model")],
        ):
            done = cli(*arguments)
            assert done.returncode == 0, done.stderr
    files = [
        {str(file.relative_to(tmp_path / place)): file.read_bytes() for file in (tmp_path / place).rglob("*.*")}
        for place in ("here", "there")
    ]
    assert len(files[0]) > 4
    assert {**files[0], "model/report.html": files[0]["report.html"]} == files[1]  # a server adds the study's report
    full = served.remote("export", "first", candidate, str(tmp_path / "there" / "model"))
    assert full.returncode == 2
    assert "is not empty" in full.stderr


def test_labels_are_bought_at_a_server_with_a_file_of_this_machine(
    finished: tuple[Served, dict[str, object]], tmp_path: Path
) -> None:
    served, _ = finished
    save_data(tmp_path, served.remote.assets / "model", {"train": 1, "validation": 1, "test": 1, "fresh": 300}, noise=0)
    truth = pd.read_csv(tmp_path / "fresh.csv")
    truth[["sentence"]].to_json(tmp_path / "fresh.jsonl", orient="records", lines=True)
    first = tmp_path / "first.csv"
    assert "no labels are bought for 'first' yet" in served.remote("certify", "first").stderr
    begin = ["certify", "first", "--texts", f"{tmp_path}/fresh.jsonl", "--double", "all"]
    begun = served.remote(*begin, "--batch", "10", "--to", str(first))
    assert begun.returncode == 0, begun.stderr
    assert "the dense model answers" in begun.stderr
    assert f"{first}: label each row with {', '.join(LABELS)} or ? where you cannot tell" in begun.stdout
    again = served.remote(*begin)
    assert again.returncode == 2
    assert "--texts: no fresh texts are left" in again.stderr
    assert "exists and may hold labels" in served.remote("certify", "first", "--to", str(first)).stderr
    rows = pd.read_csv(first)
    assert rows.sentence.value_counts().eq(2).all()
    rows["label"] = rows.sentence.map(dict(zip(truth.sentence, truth.label, strict=True)))
    rows.assign(sentence="another").to_csv(tmp_path / "changed.csv", index=False)
    changed = served.remote("certify", "first", "--labels", f"{tmp_path}/changed.csv")
    assert (changed.returncode, "--labels: changed.csv, line 2" in changed.stderr) == (2, True), changed.stderr
    rows[1:].to_csv(first, index=False)
    taken = served.remote("certify", "first", "--labels", str(first), "--to", f"{tmp_path}/rest.csv", "--json")
    standing = json.loads(taken.stdout)
    assert (taken.returncode, standing["open_rows"]) == (0, 1), taken.stderr
    assert list(pd.read_csv(tmp_path / "rest.csv").id) == [rows.id[0]]
    with Client(served.remote.url) as client:
        (row,) = client.wanted_labels("first").items
        assert row.id == rows.id[0]
        last = client.give_labels("first", {row.id: rows.label[0]})

    async def read() -> object:
        async with AsyncClient(served.remote.url) as asked:
            return await asked.labels("first")

    assert last == asyncio.run(read())
    assert last.open_rows == 0


def test_an_interrupt_leaves_the_study_running_there_and_cancel_stops_it(served: Served) -> None:
    process = served.remote.start(*served.remote.study("--study", "long", trials=300))
    await_state(served, "long", "running")
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=200)
    assert process.returncode == 130
    assert re.search(r"Study long continues at http\S+; `optimize cancel long --server http\S+` stops it", words)
    assert "Traceback" not in words
    assert state_of(served, "long") == "running"
    stopped = served.remote("cancel", "long")
    assert stopped.returncode == 0, stopped.stderr
    await_state(served, "long", "cancelled")
    again = served.remote("cancel", "long")
    assert again.returncode == 2
    assert "there is nothing to cancel" in again.stderr
    deleted = served.remote("delete", "long", "--yes", "--json")
    assert json.loads(deleted.stdout)["deleted"] == "long"


def test_a_larger_epsilon_is_resumed_there(served: Served) -> None:
    assert served.remote(*served.remote.study("--study", "small", trials=3)).returncode == 0
    wider = served.remote("resume", "small", "--epsilon", "0.4", "--json")
    assert wider.returncode == 0, wider.stderr
    assert json.loads(wider.stdout)["epsilon"] == 0.4
    complete = served.remote("resume", "small")
    assert complete.returncode == 2
    assert "only a larger epsilon" in complete.stderr


def test_nothing_feasible_exits_with_3_there_too(served: Served) -> None:
    strict = ("--epsilon", "0", "--no-reconstruct", "--criterion", "random", "--max-flops-ratio", "0.3", "--json")
    done = served.remote(*served.remote.study(*strict, trials=3))
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["front"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "nothing"], "none is called 'nothing'"),
        (["front", "first", "--objectives", "flop"], "did you mean 'flops'"),
        (["show", "first", "--storage", "sqlite:///x"], "--storage: applies to this machine, --server http"),
        (["show", "first", "--cache-dir", "x"], "--cache-dir: applies to this machine, --server http"),
        (["serve"], "--server: cannot be combined with `optimize serve`"),
        (["show", "first", "--server", "localhost"], "write it as http://HOST:PORT"),
        (["--model", "bert-bas", "--task", "sst2", "--epsilon", "0.01"], "did you mean 'bert-base'"),
        (["--model", "/etc", "--task", "x", "--epsilon", "0.1", "--data", "/etc"], "--allow-path"),
        (["--model", "bert-base", "--task", "sst2", "--epsilon", "0.1", "--dry-run"], "--dry-run: estimates for this"),
    ],
)
def test_bad_input_exits_with_2_and_names_the_remedy(
    finished: tuple[Served, dict[str, object]], arguments: list[str], message: str
) -> None:
    done = finished[0].remote(*arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_study_that_is_refused_by_the_worker_exits_with_2(served: Served) -> None:
    done = served.remote(*served.remote.study("--keep", "layer.77", trials=3))
    assert done.returncode == 2, done.stderr
    assert "layer.77" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_is_not_there_exits_with_1(
    tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere, pauses = Remote(tmp_path, served.local.assets, 9), list[float]()
    monkeypatch.setattr(time, "sleep", pauses.append)
    done = nowhere("studies")
    assert done.returncode == 1
    assert len(pauses) == Patience().tries - 1
    assert pauses == sorted(pauses)
    assert "http://127.0.0.1:9 does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_environment_names_the_server_and_what_is_typed_wins(served: Served) -> None:
    bare, here = (Cli(served.local.root, served.local.assets) for _ in range(2))
    bare.shared = []
    bare.environment["OPTIMIZE_SERVER"] = served.remote.url
    here.environment["OPTIMIZE_SERVER"] = "http://127.0.0.1:9"
    answers = [cli("studies", "--json") for cli in (bare, here)]
    assert [answer.returncode for answer in answers] == [0, 0], [answer.stderr for answer in answers]
    assert answers[0].stdout == answers[1].stdout


def test_cancel_here_calls_off_what_waits(tmp_path: Path, served: Served) -> None:
    from optimizer.spec import StudySpec
    from studies.opening import open_service

    cli = Cli(tmp_path, served.local.assets)
    service = open_service(f"sqlite:///{tmp_path}/s.sqlite")
    spec = StudySpec(model="phrases-mini", task="phrases", epsilon=0.01)
    service.submit("waiting", spec.model_dump(mode="json"))
    service.close()
    done = cli("cancel", "waiting", "--json")
    assert json.loads(done.stdout) == {"schema_version": 1, "study": "waiting", "state": "cancelled"}
    again = cli("cancel", "waiting")
    assert again.returncode == 2
    assert "is cancelled; there is nothing to cancel" in again.stderr


def test_a_key_is_needed_where_there_are_keys(tmp_path: Path, served: Served) -> None:
    """The last of this module: from the first key on, nobody is answered without one."""
    secret = served.local("keys", "add", "alice").stdout.strip()
    time.sleep(LOOKED_EVERY_S)  # a server looks for the first key once a second
    without = served.remote("studies")
    assert without.returncode == 2
    assert "OPTIMIZE_API_KEY" in without.stderr
    wrong = served.remote("studies", "--api-key", "opk_wrong")
    assert wrong.returncode == 2
    assert "opk_wrong" not in wrong.stderr
    assert json.loads(served.remote("studies", "--json", "--api-key", secret).stdout)["items"] == []
    stray = served.local("studies", "--api-key", secret)
    assert stray.returncode == 2
    assert "--api-key: needs a server" in stray.stderr


def state_of(served: Served, name: str) -> str | None:
    found = json.loads(served.local("studies", "--json").stdout)["items"]
    return next((study["state"] for study in found if study["study"] == name), None)


def await_state(served: Served, name: str, state: str) -> None:
    deadline = time.monotonic() + 200
    while (found := state_of(served, name)) != state:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
