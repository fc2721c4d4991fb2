"""Poison: what one caller sends is refused before it is stored, and what is stored already stops nobody else."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from studies.opening import open_service

JSON = {"Content-Type": "application/json"}
LISTINGS = ("/v1/studies", "/")
UNREADABLE = [r"\ud83d", r"\u0000", r"\u0007", r"\u2028"]


def body_of(place: object, **changes: object) -> str:
    return json.dumps(place.request(**changes))


@pytest.mark.parametrize("escape", UNREADABLE)
@pytest.mark.parametrize("field", ["name", "model", "task", "data", "weights", "label_column", "keep", "text_columns"])
def test_a_text_that_nobody_could_be_shown_is_refused_by_its_field(field: str, escape: str, empty: tuple) -> None:
    place, client = empty
    value = ["BAD"] if field in ("keep", "text_columns") else "BAD"
    answer = client.post("/v1/studies", content=body_of(place, **{field: value}).replace("BAD", escape), headers=JSON)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"].split(".")[0] == field
    assert client.get("/v1/studies").json()["items"] == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("seed", 2**63), ("seed", 2**64), ("trials", 10**6 + 1), ("threads", 10**5), ("keep", ["a"] * 1001)],
)
def test_a_number_or_list_without_end_is_refused(field: str, value: object, empty: tuple) -> None:
    place, client = empty
    assert client.post("/v1/studies", json=place.request(**{field: value})).status_code == 422
    assert client.get("/v1/studies").json()["items"] == []


def test_a_strange_name_of_a_field_is_refused_like_any_other(empty: tuple) -> None:
    _, client = empty
    for name in (r"\ud83d", "x" * 100_000):
        answer = client.post("/v1/studies", content=f'{{"{name}": 1}}', headers=JSON)
        assert answer.status_code == 422
        assert len(answer.text) < 10_000


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"epsilon": 0.01, "epsilon": 0.5}', "'epsilon' is given twice"),
        ('{"limits": {"flops_ratio": 0.1, "flops_ratio": 1}}', "'flops_ratio' is given twice"),
        ('{"epsilon": NaN}', "NaN is not a number"),
        ('{"epsilon": -Infinity}', "-Infinity is not a number"),
        ('{"keep": ' + "[" * 40 + "]" * 40 + "}", "deep"),
        ('{"trials": ' + "9" * 5000 + "}", "4300"),
        ('{"trials": 1', "not JSON"),
    ],
)
def test_json_that_could_be_read_in_two_ways_is_refused(body: str, why: str, empty: tuple) -> None:
    _, client = empty
    answer = client.post("/v1/studies", content=body, headers=JSON)
    assert (answer.status_code, why in answer.json()["detail"]) == (400, True), answer.text


@pytest.mark.parametrize("name", ["m" * 4000, "~nobody-of-this-name/x", "/" + "x" * 3000, "a/" + "b" * 3000])
@pytest.mark.parametrize("field", ["model", "data", "weights"])
def test_a_place_that_cannot_be_is_a_refusal(field: str, name: str, empty: tuple) -> None:
    place, client = empty
    answer = client.post("/v1/studies", json=place.request(**{field: name}))
    assert answer.status_code in (403, 404, 422), answer.text


def test_an_origin_that_is_no_address_is_refused(empty: tuple) -> None:
    _, client = empty
    for origin in ("http://[", "null", "http://127.0.0.1:8000@evil.example"):
        assert client.post("/v1/studies", json={}, headers={"Origin": origin}).status_code == 403
    assert client.post("/v1/studies", json={}, headers={"Origin": "http://127.0.0.1:8000"}).status_code == 422


def spoil(storage: str, name: str, spec: object) -> None:
    """Store what an older program let in."""
    service = open_service(storage)
    with service.database.write() as session:
        session.execute(text("UPDATE studies SET spec = :spec WHERE slug = :name"), {"spec": spec, "name": name})
    service.close()


SPOILT = {
    "a surrogate": '{"model": "m", "task": "t", "epsilon": 0.1, "keep": ["\\ud83d"]}',
    "beyond a bound": '{"model": "m", "task": "t", "epsilon": 0.1, "trials": 99999999}',
    "an unknown field": '{"model": "m", "task": "t", "epsilon": 0.1, "gone": 1}',
    "nothing": "{}",
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_study_that_cannot_be_read_takes_no_listing_down(kind: str, place: object, client: TestClient) -> None:
    for name in ("good", "spoilt"):
        assert client.post("/v1/studies", json=place.request(name=name)).status_code == 201
    spoil(place.settings.storage, "spoilt", SPOILT[kind])
    items = {item["study"]: item for item in client.get("/v1/studies").json()["items"]}
    assert set(items) == {"good", "spoilt"}
    is_broken = kind in ("an unknown field", "nothing")
    assert (items["good"]["broken"], items["spoilt"]["broken"] is not None) == (None, is_broken)
    listed = client.get("/", headers={"Accept": "text/html"})
    assert listed.status_code == 200
    assert "good" in listed.text
    for path in ("", "/events?follow=false", "/result", "/front", "/candidates"):
        answer = client.get(f"/v1/studies/spoilt{path}")
        assert answer.status_code < 500, (path, answer.text)
        assert client.get(f"/v1/studies/good{path}").status_code < 500
    assert client.get("/studies/spoilt", headers={"Accept": "text/html"}).status_code < 500
    assert client.post("/v1/studies/spoilt/cancel").status_code == 202
    assert client.delete("/v1/studies/spoilt").status_code == 204


TORN = {
    "settings": "UPDATE studies SET spec = '{' WHERE slug = 'torn'",
    "settings of a list": "UPDATE studies SET spec = '[1]' WHERE slug = 'torn'",
    "context": "UPDATE studies SET context = '[' WHERE slug = 'torn'",
    "state": "UPDATE studies SET state = 'later' WHERE slug = 'torn'",
    "moment": "UPDATE studies SET created_at = 'soon' WHERE slug = 'torn'",
    "baseline": "INSERT INTO measurements (study_id, later, quantity, value, unit, source, n, conditions, samples)"
    " VALUES (2, 0, 'flops', 1, 'FLOPs', 'guessed', 1, '{}', '[]')",
    "job": "UPDATE jobs SET payload = '{' WHERE study_id = 2",
    "kind of job": "UPDATE jobs SET kind = 'later' WHERE study_id = 2",
    "export": "INSERT INTO jobs (study_id, kind, payload, state, priority, attempts, max_attempts, cancel_requested,"
    " claims, progress, created_at) VALUES (2, 'export', '{', 'queued', 0, 0, 3, 0, 0, 0, '2026-01-01 00:00:00')",
    "event": "UPDATE events SET data = '{' WHERE study_id = 2",
    "event of a list": "UPDATE events SET data = '[]' WHERE study_id = 2",
}


@pytest.mark.parametrize("kind", TORN)
def test_a_record_that_is_torn_takes_nobody_elses_down(kind: str, place: object, client: TestClient) -> None:
    for name in ("before", "torn", "after"):
        client.post("/v1/studies", json=place.request(name=name))
    service = open_service(place.settings.storage)
    with service.database.write() as session:
        session.execute(text(TORN[kind]))
    heard = [event.study_id for event in service.events.after(0, limit=10)]
    service.close()
    assert heard == [1, 2, 3]
    items = {item["study"]: item for item in client.get("/v1/studies").json()["items"]}
    assert list(items) == ["after", "torn", "before"]
    is_of_the_study = kind in ("settings", "settings of a list", "context", "state", "moment", "baseline")
    assert ("cannot be read" in (items["torn"]["error"] or "")) == is_of_the_study
    assert len(client.get("/v1/queue").json()["jobs"]) >= 3
    assert client.get("/v1/exports").status_code == 200
    for path in ("/", "/queue", "/studies/torn", "/studies/torn/log", "/studies/torn/exports"):
        answer = client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code < 500, path
    for path in ("", "/events?follow=false", "/result", "/front", "/candidates"):
        assert client.get(f"/v1/studies/torn{path}").status_code < 500, path


@pytest.mark.parametrize("kind", ["settings", "state", "job", "kind of job"])
def test_a_worker_sets_a_torn_job_aside_and_takes_the_next(kind: str, place: object, client: TestClient) -> None:
    for name in ("before", "torn", "after"):
        client.post("/v1/studies", json=place.request(name=name))
    service = open_service(place.settings.storage)
    with service.database.write() as session:
        session.execute(text(TORN[kind]))
    taken = [service.jobs.claim(f"worker-{number}", lease_s=30) for number in range(3)]
    service.close()
    assert [job and job.study_id for job in taken] == [1, 3, None]
    assert client.post("/v1/studies/torn/cancel").status_code == 409
    torn = client.get("/v1/studies/torn").json()
    assert torn["state"] == "failed"
    assert "cannot be read" in torn["error"]
    assert client.delete("/v1/studies/torn").status_code == 204


def test_a_torn_job_whose_lease_ran_out_stops_no_worker(place: object, client: TestClient) -> None:
    for name in ("before", "torn", "after"):
        client.post("/v1/studies", json=place.request(name=name))
    service = open_service(place.settings.storage)
    for worker in ("a", "b"):
        assert service.jobs.claim(worker, lease_s=30) is not None
    with service.database.write() as session:
        session.execute(text(TORN["job"]))
        session.execute(text("UPDATE jobs SET lease_until = '2026-01-01 00:00:00' WHERE study_id = 2"))
        session.execute(text("UPDATE studies SET owner_pid = NULL WHERE id = 2"))
    after = service.jobs.claim("c", lease_s=30)
    service.close()
    assert after is not None
    assert after.study_id == 3
    assert client.get("/v1/studies/torn").json()["state"] == "failed"


TORN_CANDIDATE = {
    "config": "UPDATE candidates SET config = '{' WHERE number = 1",
    "state": "UPDATE candidates SET state = 'later' WHERE number = 1",
    "measurement": "INSERT INTO measurements (study_id, candidate_id, later, quantity, value, unit, source, n,"
    " conditions, samples) SELECT study_id, id, 1, 'flops', 1, 'FLOPs', 'guessed', 1, '{}', '[]' FROM candidates"
    " WHERE number = 1",
}


@pytest.mark.parametrize("kind", TORN_CANDIDATE)
def test_a_torn_candidate_is_listed_as_failed_beside_the_others(
    kind: str, place: object, done: tuple[object, TestClient]
) -> None:
    source = open_service(done[0].settings.storage)
    with source.database.glance() as connection:
        connection.execute(text("VACUUM INTO :file"), {"file": place.settings.storage.removeprefix("sqlite:///")})
    source.close()
    service = open_service(place.settings.storage)
    before = service.store.candidates(1)
    with service.database.write() as session:
        session.execute(text(TORN_CANDIDATE[kind]))
    after = service.store.candidates(1)
    service.close()
    assert [candidate for candidate in after if candidate.number != 1] == [c for c in before if c.number != 1]
    assert after[1].outcome is not None
    assert "cannot be read" in (after[1].outcome.reason or "")
    with place.client() as client:
        for path in ("", "/candidates", "/log"):
            page = client.get(f"/studies/first{path}", headers={"Accept": "text/html"})
            assert page.status_code == 200, path
        for path in ("/result", "/front", "/candidates", "/candidates/0", "/importance", "/hypervolume"):
            assert client.get(f"/v1/studies/first{path}").status_code == 200, path
        assert client.get("/v1/studies/first/candidates/1").status_code < 500
        assert "cannot be read" in client.get("/studies/first/candidates", headers={"Accept": "text/html"}).text


def test_events_with_a_surrogate_are_told(place: object, client: TestClient) -> None:
    client.post("/v1/studies", json=place.request(name="s"))
    service = open_service(place.settings.storage)
    with service.database.write() as session:
        session.execute(text("UPDATE events SET data = :data"), {"data": r'{"state": "queued", "error": "\ud83d"}'})
    service.close()
    answer = client.get("/v1/studies/s/events", params={"follow": "false"})
    assert "\\\\ud83d" in answer.text


def test_no_path_and_no_query_is_too_strange(empty: tuple) -> None:
    _, client = empty
    assert client.get("/v1/studies", params={"search": "\0"}).status_code == 200
    assert client.get("/v1/studies", params={"cursor": str(2**64)}).status_code == 422
    for path in (str(2**63), str(2**64), "%00", "-1", "0", "%ff", "ünï", "a" * 5000, "..%2f..", "%f0%9f%98%80"):
        for rest in ("", "/front", "/candidates", f"/candidates/{2**64}", "/hypervolume", "/recommendation"):
            answer = client.get(f"/v1/studies/{path}{rest}")
            assert answer.status_code in (404, 422), (path, rest, answer.text)
        assert client.get(f"/v1/exports/{path}").status_code in (404, 422)
        assert client.get(f"/studies/{path}", headers={"Accept": "text/html"}).status_code in (404, 422)
