"""The parts of a study: all candidates in any order, what its groups explain, its exports, its log; without scripts."""

from __future__ import annotations

import re

import httpx
import pytest
from served import Place

CELL = r'data-label="{}">([^<]*)<'


def part(place: Place, path: str) -> str:
    answer = httpx.get(f"{place.url}{path}", headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return answer.text


def cells(html: str, label: str) -> list[str]:
    return re.findall(CELL.format(label), html)


def test_all_candidates_are_listed_and_sorted_by_any_column_unknown_ones_last(finished: Place) -> None:
    whole = part(finished, "/studies/first/candidates")
    assert len(cells(whole, "drop")) == 12
    for direction in ("up", "down"):
        drops = cells(part(finished, f"/studies/first/candidates?sort=drop&direction={direction}"), "drop")
        values = [float(drop.replace("−", "-")) for drop in drops]
        assert values == sorted(values, reverse=direction == "down")
        latencies = cells(part(finished, f"/studies/first/candidates?sort=latency&direction={direction}"), "latency")
        first_unknown = latencies.index("–") if "–" in latencies else len(latencies)
        assert set(latencies[first_unknown:]) <= {"–"}


def test_candidates_are_filtered_by_state_and_origin(finished: Place) -> None:
    ladder = part(finished, "/studies/first/candidates?origin=ladder&state=")
    assert {origin.strip() for origin in cells(ladder, "origin")} == {"ladder"}
    assert "No candidate matches" in part(finished, "/studies/first/candidates?state=failed")
    refused = httpx.get(f"{finished.url}/studies/first/candidates?state=nonsense")
    assert refused.status_code == 422


def test_importance_says_n_and_method_or_that_there_are_too_few(finished: Place, place: Place) -> None:
    few = httpx.get(f"{finished.url}/v1/studies/first/importance").json()
    assert {one["quantity"]: one["groups"] for one in few} == {"drop": [], "flops": []}
    assert "too few" in part(finished, "/studies/first/importance")
    with place.client() as client:
        client.submit(place.spec(trials=30, epsilon=0.9), name="many")
    assert httpx.get(f"{place.url}/v1/studies/many/importance").status_code == 409
    assert "There are no measurements yet" in part(place, "/studies/many/importance")
    place.work()
    drop, flops = httpx.get(f"{place.url}/v1/studies/many/importance").json()
    assert drop["n"] == flops["n"] >= 20
    assert sum(group["share"] for group in flops["groups"]) == pytest.approx(1)
    assert max(group["rank_correlation"] or 0 for group in flops["groups"]) > 0
    assert f"n = {drop['n']} candidates" in part(place, "/studies/many/importance")


def test_the_log_says_what_happened_newest_first_and_goes_back(finished: Place) -> None:
    log = part(finished, "/studies/first/log")
    lines = [re.sub(r"<[^>]*>", " ", line) for line in re.findall(r"<li>.*?</li>", log)]
    assert "complete" in lines[0]
    assert sum(" candidate " in line for line in lines) == 12
    assert "queued" in lines[-1]
    assert any("ranking units" in line for line in lines)
    newest = part(finished, "/studies/first/log?limit=3")
    older = re.search(r'href="(/studies/first/log\?before=\d+)"', newest)
    assert older
    assert len(re.findall("<li>", newest)) <= 3
    assert "queued" in part(finished, older[1])


def test_a_log_keeps_itself_fresh_while_there_is_news(finished: Place, place: Place) -> None:
    with place.client() as client:
        client.submit(place.spec(), name="waits")
    waits, ended = part(place, "/studies/waits/log"), part(finished, "/studies/first/log")
    for mark in ("data-fresh", "/static/fresh.js", 'http-equiv="refresh"'):
        assert mark in waits
        assert mark not in ended


def test_exports_are_listed_with_their_files(finished: Place) -> None:
    with finished.client() as client:
        candidate = client.front("second").items[0].candidate
    httpx.post(f"{finished.url}/v1/studies/second/exports", json={"candidate": candidate})
    assert "queued" in part(finished, "/studies/second/exports")
    finished.work()
    listed = part(finished, "/studies/second/exports")
    files = re.findall(r'href="(/v1/exports/\d+/files/[^"]+)"', listed)
    assert any(file.endswith("model.safetensors") for file in files)
    assert all(httpx.get(f"{finished.url}{file}").status_code == 200 for file in files)
