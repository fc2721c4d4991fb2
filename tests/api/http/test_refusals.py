"""What the service refuses: each with a problem, and nothing changed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from api.http.app import create_app
from api.http.conditional import Version
from studies.keys import Scope
from studies.opening import open_service


def is_problem(answer: object, status: int) -> bool:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    return body["status"] == status and bool(body["detail"]) and bool(body["title"])


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"model": "bert-bas"}, 404),
        ({"task": "sst3", "data": None}, 404),
        ({"model": "/etc"}, 403),
        ({"model": "../model"}, 403),
        ({"data": "/etc/../etc"}, 403),
        ({"data": "~/data"}, 403),
        ({"model": "resnet18", "task": "digits", "weights": "/etc/resnet18-00000000.pth"}, 403),
        ({"model": "/etc", "task": "digits"}, 403),
        ({"teacher": "/etc", "recover": "distill"}, 403),
        ({"teacher": "model"}, 422),
        ({"verification_data": "/etc/passwd"}, 403),
        ({"epsilon": 2}, 422),
        ({"epsilon": "much"}, 422),
        ({"trials": 0}, 422),
        ({"sampler": "tpx"}, 422),
        ({"name": "1234"}, 422),
        ({"no_such_field": 1}, 422),
    ],
)
def test_a_request_that_cannot_work_is_a_problem_and_makes_nothing(
    changes: dict[str, object], status: int, empty: tuple
) -> None:
    place, client = empty
    assert is_problem(client.post("/v1/studies", json=place.request(**changes)), status)
    assert client.get("/v1/studies").json()["items"] == []


@pytest.mark.parametrize("field", ["model", "data"])
@pytest.mark.parametrize("name", ["owner/name", "name"])
def test_a_directory_that_is_called_like_a_hub_id_is_no_way_in(
    field: str, name: str, empty: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, client = empty
    (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert is_problem(client.post("/v1/studies", json=place.request(**{field: name})), 403)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"epsilon": NaN}', 422),
        (b'{"epsilon": Infinity}', 422),
        (b"[" * 100_000, 400),
        (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, 400),
        (b'{"model": "' + b"x" * 300_000 + b'"}', 413),
        (b"", 422),
    ],
    ids=["cut off", "bad UTF-8", "NaN", "Infinity", "deep list", "deep object", "too large", "empty"],
)
def test_a_hostile_body_is_a_problem(body: bytes, status: int, empty: tuple) -> None:
    _, client = empty
    answer = client.post("/v1/studies", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {status, 400, 422} - ({413} - {status}), answer.text
    assert is_problem(answer, answer.status_code)


def test_a_body_longer_than_announced_is_cut_off(empty: tuple) -> None:
    _, client = empty

    def endless() -> object:
        for _ in range(400):
            yield b" " * 1024

    answer = client.post("/v1/studies", content=endless(), headers={"Content-Type": "application/json"})
    assert is_problem(answer, 413)
    assert answer.headers["connection"] == "close"


def test_a_body_that_trickles_in_is_not_waited_for(place: object) -> None:
    place.settings = place.settings.model_copy(update={"body_timeout_s": 0.2})
    app = create_app(place.settings)
    answers: list[dict] = []

    async def receive() -> dict:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: dict) -> None:
        answers.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"content-length", b"100")]
    scope = {"type": "http", "method": "POST", "path": "/v1/studies", "headers": headers, "query_string": b""}
    asyncio.run(app(scope, receive, send))
    assert answers[0]["status"] == 408
    assert (b"connection", b"close") in answers[0]["headers"]


def test_strange_hosts_origins_media_types_and_header_floods_are_refused(empty: tuple) -> None:
    _, client = empty
    assert is_problem(client.get("/v1/studies", headers={"Host": "evil.example"}), 421)
    assert is_problem(client.get("/healthz", headers=[("Host", "localhost"), ("Host", "evil.example")]), 400)
    assert is_problem(client.post("/v1/studies", json={}, headers={"Origin": "http://evil.example"}), 403)
    assert is_problem(client.post("/v1/studies", content=b"a=1", headers={"Content-Type": "text/plain"}), 415)
    assert is_problem(client.get("/v1/studies", headers={f"X-{i}": "1" for i in range(150)}), 431)
    assert is_problem(client.get("/v1/studies", headers={"X": "y" * 40_000}), 431)
    assert is_problem(client.get("/nowhere"), 404)
    assert is_problem(client.put("/v1/studies"), 405)


def test_too_many_requests_are_told_when_to_come_back(place: object) -> None:
    place.settings = place.settings.model_copy(update={"requests_per_minute": 3})
    with place.client() as client:
        answers = [client.get("/healthz") for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert is_problem(answers[-1], 429)
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_every_answer_is_marked(empty: tuple) -> None:
    _, client = empty
    for path in ("/healthz", "/nowhere", "/openapi.json"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_keys_decide_who_may_do_and_see_what(place: object) -> None:
    service = open_service(place.settings.storage)
    secrets = {
        name: service.keys.add(name, scopes)[1]
        for name, scopes in {
            "reader": [Scope.READ],
            "ann": [Scope.READ, Scope.WRITE],
            "bob": [Scope.READ, Scope.WRITE],
            "boss": [Scope.ADMIN],
        }.items()
    }
    with place.client() as client:

        def ask(who: str, method: str, path: str, **more: object) -> object:
            return client.request(method, path, headers={"Authorization": f"Bearer {secrets[who]}"}, **more)

        assert is_problem(client.get("/v1/studies"), 401)
        assert is_problem(client.get("/v1/studies", headers={"Authorization": "Bearer opk_wrong"}), 401)
        assert client.get("/healthz").status_code == 200
        assert is_problem(ask("reader", "POST", "/v1/studies", json=place.request(name="x")), 403)
        assert ask("ann", "POST", "/v1/studies", json=place.request(name="hers")).status_code == 201
        assert ask("ann", "GET", "/v1/studies/hers").status_code == 200
        for path in ("", "/front", "/candidates", "/events?follow=false", "/result"):
            assert is_problem(ask("bob", "GET", f"/v1/studies/hers{path}"), 404)
        assert is_problem(ask("bob", "POST", "/v1/studies/hers/cancel"), 404)
        assert ask("bob", "GET", "/v1/studies").json()["items"] == []
        assert len(ask("boss", "GET", "/v1/studies").json()["items"]) == 1
        first = ask("ann", "GET", "/v1/studies/hers/events?follow=false")
        assert first.status_code == 200
        for who, status in (("ann", 409), ("bob", 404)):  # no tag opens what the key does not
            headers = {"Authorization": f"Bearer {secrets[who]}", "If-None-Match": tag_of(service, "hers@ann")}
            expected = 304 if who == "ann" else status
            assert client.get("/v1/studies/hers/front", headers=headers).status_code == expected
        assert client.get("/v1/studies/hers/front", headers={"If-None-Match": "*"}).status_code == 401
        service.keys.revoke("ann")
        assert is_problem(ask("ann", "GET", "/v1/studies/hers"), 401)
    service.close()


def tag_of(service: object, name: str) -> str:
    return Version(*service.store.revision(name), asked="").headers["ETag"]
