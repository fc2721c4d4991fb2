"""Recommendations, comparisons and the course of the hypervolume, on one finished study."""

from __future__ import annotations

import json
import sys
from contextlib import closing

import pytest
from fastapi.testclient import TestClient

from api.cli.app import run
from optimizer import recommend
from optimizer.fronts.fronts import front_of
from studies.opening import open_store

COSTS = ("flops_ratio", "latency_ratio", "energy_ratio")


@pytest.fixture
def client(done: tuple) -> TestClient:
    return done[1]


def recommended(client: TestClient, **query: object) -> dict:
    answer = client.get("/v1/studies/first/recommendation", params=query)
    assert answer.status_code == 200, answer.text
    assert str(answer.json()["member"]["candidate"]) in answer.json()["reason"]
    return answer.json()["member"]


def standing(client: TestClient) -> list[dict]:
    items = client.get("/v1/studies/first/front").json()["items"]
    return [m for m in items if not m["verification"] or m["verification"]["verdict"] != "refuted"]


def drop(member: dict) -> float:
    return member["verification"]["drop"] if member["verification"] else member["drop"]


def test_the_knee_is_the_fronts_own(client: TestClient) -> None:
    front = client.get("/v1/studies/first/front").json()
    assert recommended(client)["candidate"] == front["knee"]


@pytest.mark.parametrize("cost", ["flops", "latency", "energy"])
def test_a_lexicographic_order_gives_the_cheapest_member_first(cost: str, client: TestClient) -> None:
    best = recommended(client, rule="lexicographic", order=cost)
    assert best[f"{cost}_ratio"] == min(m[f"{cost}_ratio"] for m in standing(client))


def test_all_weight_on_one_axis_gives_its_extreme(client: TestClient) -> None:
    members = standing(client)
    accurate = recommended(client, rule="weights", weight="drop:1")
    assert drop(accurate) == min(map(drop, members))
    cheap = recommended(client, rule="weights", weight=["drop:0", "flops:1"])
    assert cheap["flops_ratio"] == min(m["flops_ratio"] for m in members)


def test_a_budget_gives_the_cheapest_within_it_or_says_that_there_is_none(client: TestClient) -> None:
    members = standing(client)
    most = sorted(map(drop, members))[0]
    best = recommended(client, rule="budget", max_drop=most)
    assert best["flops_ratio"] == min(m["flops_ratio"] for m in members if drop(m) <= most)
    refused = client.get("/v1/studies/first/recommendation", params={"rule": "budget", "max_drop": -5})
    assert refused.status_code == 404
    assert "drop" in refused.json()["detail"]


@pytest.mark.parametrize("weight", ["flops", "flops:x", "flops:-1", "speed:1", "flops:nan"])
def test_a_weight_that_is_none_is_refused_by_name(weight: str, client: TestClient) -> None:
    answer = client.get("/v1/studies/first/recommendation", params={"rule": "weights", "weight": weight})
    assert answer.status_code == 422
    assert "weight" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("rule", "asked", "typed", "ways"),
    [
        ("knee", {}, [], {}),
        ("weights", {"weight": ["drop:1", "parameters:3"]}, ["--weight", "drop:1", "--weight", "parameters:3"],
         {"weights": {"drop": 1.0, "parameters": 3.0}}),
        ("lexicographic", {"order": ["size", "flops"]}, ["--order", "size,flops"], {"order": ["size", "flops"]}),
        ("budget", {"max_drop": 0.3}, ["--max-drop", "0.3"], {"max_drop": 0.3}),
    ],
)  # fmt: skip
def test_service_command_line_and_python_recommend_the_same(
    rule: str, asked: dict, typed: list[str], ways: dict, done: tuple,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    place, client = done
    over_http = client.get("/v1/studies/first/recommendation", params={"rule": rule, **asked}).json()
    url = place.settings.storage
    monkeypatch.setattr(
        sys, "argv", ["optimize", "--storage", url, "recommend", "first", "--rule", rule, *typed, "--json"]
    )
    assert run() == 0
    assert json.loads(capsys.readouterr().out) == over_http
    with closing(open_store(url, read_only=True)) as store:
        study = store.study("first")
        in_python = recommend(front_of(study, store.candidates(study.id)), rule, **ways)
    assert in_python.model_dump(mode="json") == over_http


def test_a_filter_that_leaves_nothing_says_so(client: TestClient) -> None:
    answer = client.get("/v1/studies/first/recommendation", params={"max_flops_ratio": 0.0001})
    assert answer.status_code == 404
    assert "loosen" in answer.json()["detail"]


def test_the_hypervolume_never_shrinks_and_ends_at_the_last_candidate(done: tuple) -> None:
    place, client = done
    steps = client.get("/v1/studies/first/hypervolume").json()["items"]
    volumes = [step["hypervolume"] for step in steps]
    assert volumes == sorted(volumes)
    assert steps[-1]["candidates"] == place.request()["trials"]


def test_fronts_of_studies_stand_side_by_side(client: TestClient) -> None:
    both = client.get("/v1/fronts", params={"study": ["first", "1"]}).json()["items"]
    assert both[0] == both[1] == client.get("/v1/studies/first/front").json()
    assert client.get("/v1/fronts", params={"study": ["first", "none"]}).status_code == 404
    assert client.get("/v1/fronts").status_code == 422


def test_a_front_is_filtered_by_what_is_asked_and_nothing_else_is_a_question(client: TestClient) -> None:
    whole = client.get("/v1/studies/first/front").json()["items"]
    worst = min(m["accuracy"] for m in whole)
    kept = client.get("/v1/studies/first/front", params={"min_accuracy": worst + 1e-6}).json()["items"]
    assert [m["candidate"] for m in kept] == [m["candidate"] for m in whole if m["accuracy"] > worst]
    verified = client.get("/v1/studies/first/front", params={"verdict": "refuted"}).json()["items"]
    assert all(m["verification"]["verdict"] == "refuted" for m in verified)
    dense = client.get("/v1/studies/first/result").json()["baseline"]["energy_j"]
    cheap = client.get("/v1/studies/first/front", params={"max_energy_j": dense / 2}).json()["items"]
    assert all(m["energy_j"] <= dense / 2 for m in cheap)
    for wrong in ({"epsilon": "nan"}, {"epsilon": 2}, {"max_flops_ratio": 0}, {"verdict": "fine"}, {"nothing": 1}):
        assert client.get("/v1/studies/first/front", params=wrong).status_code == 422
