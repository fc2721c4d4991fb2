"""A study with limits and no ε at every door: JSON, pages, and the command line over the same database."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from stored_studies import put_study

from api.cli.app import run
from api.http.app import create_app
from api.http.settings import Settings
from objectives.statistics import paired_drop_interval
from optimizer.selection.certification import Certifier
from studies.opening import open_store
from studies.records import StudyState, Verification

LEVEL = 1 - 0.05 / 2
LOST = {0: 30, 1: 80}  # of 1,000 verification examples


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('without')}/s.sqlite"
    with closing(open_store(url)) as store:
        study = put_study(
            store, "within", candidates=[(0.03, 0.5), (0.1, 0.2)], epsilon=None, limits={"flops_ratio": 0.5}
        )
        made = store.candidates(study.id)
        listed = Certifier(made, lambda c: float(c.number), None, 1000).with_shortlist(None, made)
        store.update_study(study.id, context=listed.in_context())
        store.shortlist(study.id, [c.id for c in made])
        for candidate in made:
            lost = LOST[candidate.number]
            verification = Verification(
                examples="verification hash", n=1000, metric=0.9 - lost / 1000, drop=lost / 1000, lost=lost, gained=0,
                interval=paired_drop_interval(lost, 0, 1000, LEVEL), shortlist_size=2,
            )  # fmt: skip
            store.verify_candidate(candidate.id, verification)
        store.update_study(study.id, state=StudyState.COMPLETE)
    return url


@pytest.fixture(scope="module")
def service(storage: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    place = tmp_path_factory.mktemp("served")
    settings = Settings(storage=storage, cache_dir=place / "cache", artifacts=place / "artifacts", roots=(place,))
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as made:
        yield made


def test_the_front_is_measured_and_judged_at_any_epsilon_that_is_asked(service: TestClient) -> None:
    own = service.get("/v1/studies/within/front").json()
    assert (own["epsilon"], own["best"], own["hypervolume"], own["limits"]) == (None, 0, None, {"flops": 0.5})
    assert {m["verification"]["verdict"] for m in own["items"]} == {"measured"}
    assert {m["verification"]["interval_members"] for m in own["items"]} == {2}
    bounds = paired_drop_interval(30, 0, 1000, LEVEL)
    assert own["items"][1]["verification"]["interval"] == [bounds.lower, bounds.upper]
    for epsilon, verdicts in ((0.02, []), (0.035, ["verified"]), (0.2, ["certified", "certified"])):
        found = service.get("/v1/studies/within/front", params={"epsilon": epsilon}).json()
        assert [m["verification"]["verdict"] for m in found["items"]] == verdicts


def test_the_recommendation_is_the_smallest_drop_and_what_needs_an_epsilon_is_refused(service: TestClient) -> None:
    found = service.get("/v1/studies/within/recommendation").json()
    assert (found["rule"], found["member"]["candidate"]) == ("drop", 0)
    assert "95 % for all 2 verified members together" in found["reason"]
    knee = service.get("/v1/studies/within/recommendation", params={"epsilon": 0.2}).json()
    assert knee["rule"] == "knee"
    assert service.get("/v1/studies/within/hypervolume").status_code == 409
    refused = service.post("/v1/studies/within/resume", json={"epsilon": 0.5})
    assert refused.status_code == 422, refused.text
    assert "cannot widen a study without ε" in refused.text
    neither = service.post("/v1/studies", json={"model": "phrases-mini", "task": "phrases"})
    assert neither.status_code == 422
    assert "unless a limit such as" in neither.text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "drop 0.0300"),
        ("/compare?study=within", "drop 0.0300"),
        ("/studies/within", "Smallest predicted drop within 0.5 of the FLOPs: candidate #0"),
        ("/studies/within", "2 on the front within the limits"),
        ("/studies/within?epsilon=0.05", "1 on the front at ε = 0.05"),
        ("/studies/within/candidates/0", "95 % for all 2 verified members together, paired"),
    ],
)
def test_a_page_says_what_bounds_the_study(service: TestClient, path: str, text: str) -> None:
    html = service.get(path, headers={"Accept": "text/html"}).text
    assert text in html
    assert not re.search(r"\bNone\b", re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["show", "within"], "phrases-mini on phrases, within 0.5 of the FLOPs, no ε, accuracy"),
        (["front", "within"], "front within its limits over flops"),
        (["front", "within", "--epsilon", "0.2"], "front at ε = 0.2 over flops"),
        (["recommend", "within"], "candidate 0 has the smallest drop on the search examples; drop 0.0300 ["),
        (["studies"], "–"),
    ],
)
def test_the_command_line_says_it_too(
    arguments: list[str],
    text: str,
    storage: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = ["optimize", "--storage", storage, "--cache-dir", str(tmp_path), *arguments]
    monkeypatch.setattr("sys.argv", command)
    assert run() == 0
    out = " ".join(capsys.readouterr().out.split())
    assert text in out
    assert "None" not in out
    monkeypatch.setattr("sys.argv", [*command, "--json"])
    assert run() == 0
    assert json.loads(capsys.readouterr().out)
