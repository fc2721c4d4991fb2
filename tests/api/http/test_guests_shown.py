"""Models from elsewhere at every door: beside the front in JSON, on the page, in the report and on the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from command_line import Done, run_here
from fastapi.testclient import TestClient
from stored_studies import DENSE, figure, put_study

from api.http.app import create_app
from api.http.settings import Settings
from objectives.measurement import Interval
from optimizer.views.member import BESIDE
from studies.opening import open_store
from studies.records import Guest, StudyState, Verification

VERIFICATION = Verification(
    examples="hash", n=1000, metric=0.88, drop=0.02, interval=Interval(lower=0.01, upper=0.03), lost=30, gained=10
)


def guest(name: str, *, is_measured: bool) -> Guest:
    costs = tuple(figure(quantity, value / 4) for quantity, value in DENSE.items())
    return Guest(
        name=name, place=f"/models/<b>{name}", form="export", digest=name, verification=VERIFICATION,
        measurements=costs if is_measured else (),
    )  # fmt: skip


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('guests')}/s.sqlite"
    with closing(open_store(url)) as store:
        study = put_study(store, "hosts", candidates=[(0.01, 0.5)])
        store.update_study(study.id, state=StudyState.COMPLETE)
        store.put_guest(study.id, guest("lean", is_measured=True))
        store.put_guest(study.id, guest("waiting", is_measured=False))
    return url


@pytest.fixture
def client(storage: str, tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(storage=storage, cache_dir=tmp_path, artifacts=tmp_path, roots=(tmp_path,))
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as made:
        yield made


def test_the_front_has_them_beside_its_members_and_within_its_limits(client: TestClient) -> None:
    for place in ("front", "result"):
        found = client.get(f"/v1/studies/hosts/{place}").json()
        assert [(each["name"], each["drop"], each["flops_ratio"]) for each in found["guests"]] == [("lean", 0.02, 0.25)]
    assert [each["candidate"] for each in client.get("/v1/studies/hosts/front").json()["items"]] == [0]
    lean = client.get("/v1/studies/hosts/front", params={"max_flops_ratio": 0.1}).json()
    assert (lean["guests"], lean["items"]) == ([], [])


def test_the_page_and_the_report_say_that_nothing_certifies_them(
    client: TestClient, storage: str, tmp_path: Path
) -> None:
    page = client.get("/studies/hosts").text
    assert BESIDE.replace("'", "&#39;") in page
    assert "/models/&lt;b&gt;lean" in page
    assert ask(storage, tmp_path, "report", "hosts", "--output", str(tmp_path / "r.html")).returncode == 0
    report = (tmp_path / "r.html").read_text()
    assert "Models from elsewhere" in report and json.dumps(BESIDE) in report


def test_the_command_line_shows_them(storage: str, tmp_path: Path) -> None:
    shown = ask(storage, tmp_path, "show", "hosts").stdout
    assert "Models from elsewhere, on the 1,000 verification examples" in " ".join(shown.split())
    assert "0.0200" in shown and "waiting" not in shown
    for option in ("--batch-size 4", "--input 3x8x8", "--seconds 5", "--no-plots", "--output out"):
        refused = ask(storage, tmp_path, "analyze", "x", "--into", "hosts", *option.split())
        assert (refused.returncode, "is the study's" in refused.stderr) == (2, True), (option, refused.stderr)
    refused = ask(storage, tmp_path, "analyze", "x", "--into", "nobody")
    assert (refused.returncode, "nobody" in refused.stderr) == (2, True)
    refused = ask(storage, tmp_path, "analyze", "x", "--into", "hosts")
    assert (refused.returncode, "'x' is no file" in refused.stderr) == (2, True)


def ask(storage: str, place: Path, *arguments: str) -> Done:
    return run_here(["--storage", storage, *arguments], environment={**os.environ}, directory=place)
