"""Owners: a caller learns nothing about what is not shown to it, and reads what it was given to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient

from studies.jobs import JobKind
from studies.keys import Scope
from studies.opening import open_service
from studies.sql.service import SqlService

BOTH = (Scope.READ, Scope.WRITE)
KEYS = {
    "ann": (BOTH, ()),
    "bob": (BOTH, ()),
    "boss": ((Scope.ADMIN,), ()),
    "board": ((Scope.READ,), ("all",)),
    "friend": ((Scope.READ, Scope.WRITE), ("ann",)),
    "nobody": ((Scope.READ,), ()),
}
Ask = Callable[..., object]


@pytest.fixture
def service(place: object) -> Iterator[SqlService]:
    made = open_service(place.settings.storage)
    yield made
    made.close()


@pytest.fixture
def ask(place: object, service: SqlService) -> Iterator[Ask]:
    secrets = {name: service.keys.add(name, scopes, owners=owners)[1] for name, (scopes, owners) in KEYS.items()}
    with place.client() as client:

        def ask(who: str, method: str, path: str, **more: object) -> object:
            return client.request(method, path, headers={"Authorization": f"Bearer {secrets[who]}"}, **more)

        yield ask


def names(ask: Ask, who: str) -> list[str]:
    return [item["study"] for item in ask(who, "GET", "/v1/studies").json()["items"]]


def test_a_name_is_free_for_everybody_once(ask: Ask, place: object) -> None:
    for who in ("ann", "bob"):
        made = ask(who, "POST", "/v1/studies", json=place.request(name="first"))
        assert (made.status_code, made.json()["study"]) == (201, f"first@{who}")
        assert ask(who, "POST", "/v1/studies", json=place.request(name="first")).status_code == 409
        fresh = ask(who, "POST", "/v1/studies", json=place.request()).json()["study"]
        assert fresh == f"model-colours-1@{who}"
        for name in ("first", f"first@{who}", str(made.json()["id"])):
            assert ask(who, "GET", f"/v1/studies/{name}").json()["id"] == made.json()["id"]
    assert sorted(names(ask, "ann")) == ["first@ann", "model-colours-1@ann"]


@pytest.mark.parametrize("name", ["first@bob", "1234", "n" * 78])
def test_a_name_that_reads_like_anothers_or_leaves_no_room_is_refused(name: str, ask: Ask, place: object) -> None:
    assert ask("ann", "POST", "/v1/studies", json=place.request(name=name)).status_code == 422
    assert names(ask, "boss") == []


def test_what_is_not_shown_is_answered_like_what_is_not_there(ask: Ask, place: object, service: SqlService) -> None:
    study = ask("ann", "POST", "/v1/studies", json=place.request(name="secret-plan")).json()
    job = service.jobs.enqueue(study["id"], JobKind.EXPORT, {"candidate": 0, "format": "onnx"})
    body = {"candidate": 0}
    asked = [("GET", ""), ("GET", "/front"), ("GET", "/candidates"), ("GET", "/candidates/0"), ("GET", "/result")]
    asked += [("GET", "/events"), ("GET", "/hypervolume"), ("GET", "/recommendation"), ("POST", "/cancel")]
    asked += [("POST", "/resume"), ("DELETE", ""), ("POST", "/exports")]
    for method, rest in asked:
        for foreign, unknown in (("secret-plan@ann", "secret-plan@eve"), (str(study["id"]), "999999")):
            more = {"json": body} if rest == "/exports" else {}
            answers = [ask("bob", method, f"/v1/studies/{name}{rest}", **more) for name in (foreign, unknown)]
            texts = [a.text.replace(name, "X") for a, name in zip(answers, (foreign, unknown), strict=True)]
            assert [a.status_code for a in answers] == [404, 404], (method, rest)
            assert texts[0] == texts[1]
            assert "plan" not in texts[1]
    starts = ("secret-plan@ann", "secret-plan@eve")
    answers = [ask("bob", "POST", "/v1/studies", json=place.request(start_from=name)) for name in starts]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text.replace(starts[0], "X") == answers[1].text.replace(starts[1], "X")
    own = ask("ann", "POST", "/v1/studies", json=place.request(start_from="secret-plan")).json()
    assert own["spec"]["start_from"] == "secret-plan@ann"
    for rest in ("", "/files/model.safetensors"):
        foreign, unknown = (ask("bob", "GET", f"/v1/exports/{n}{rest}") for n in (job.id, 999))
        assert (foreign.status_code, unknown.status_code) == (404, 404)
        assert foreign.text.replace(str(job.id), "X") == unknown.text.replace("999", "X")
    assert ask("ann", "GET", f"/v1/exports/{job.id}").status_code == 200
    assert "secret-plan" in ask("boss", "GET", "/v1/studies/secret-plam").text  # who is shown all is told what is near


def test_who_only_reads_reads_what_the_key_says_and_changes_nothing(ask: Ask, place: object) -> None:
    for who in ("ann", "bob"):
        ask(who, "POST", "/v1/studies", json=place.request(name="s"))
    seen = {who: sorted(names(ask, who)) for who in KEYS}
    assert seen == {
        "ann": ["s@ann"],
        "bob": ["s@bob"],
        "boss": ["s@ann", "s@bob"],
        "board": ["s@ann", "s@bob"],
        "friend": ["s@ann"],
        "nobody": [],
    }
    assert ask("board", "GET", "/v1/studies/s@bob").status_code == 200
    assert ask("friend", "GET", "/v1/studies/s@bob").status_code == 404
    for method, rest in (("POST", "/cancel"), ("POST", "/resume"), ("DELETE", "")):
        assert ask("friend", method, f"/v1/studies/s@ann{rest}").status_code == 403
    assert ask("boss", "POST", "/v1/studies/s@ann/cancel").status_code == 202


def test_studies_from_before_there_were_keys_stay(ask: Ask, place: object, service: SqlService) -> None:
    ann = next(key.id for key in service.keys.keys() if key.name == "ann")  # noqa: SIM118 - not a mapping
    service.store.create_study("old", {"model": "m", "task": "t", "epsilon": 0.1}, owner=ann)
    service.store.create_study("older", {"model": "m", "task": "t", "epsilon": 0.1})
    assert ask("ann", "GET", "/v1/studies/old").json()["study"] == "old"
    assert ask("ann", "POST", "/v1/studies", json=place.request(name="old")).status_code == 409
    assert ask("ann", "GET", "/v1/studies/older").status_code == 404
    assert ask("ann", "POST", "/v1/studies", json=place.request(name="older")).status_code == 201
    assert ask("boss", "GET", "/v1/studies/older").json()["study"] == "older"


def test_who_is_over_a_quota_is_told_which_and_when_to_come_back(ask: Ask, place: object, service: SqlService) -> None:
    service.keys.change_quota("ann", {"candidates": 10, "queued": 2})
    assert ask("ann", "POST", "/v1/studies", json=place.request(name="s")).status_code == 201
    refused = ask("ann", "POST", "/v1/studies", json=place.request(name="t"))
    assert (refused.status_code, refused.json()["title"]) == (429, "Too many requests")
    assert "lower `trials` to 4" in refused.json()["detail"]
    assert 86_390 < int(refused.headers["Retry-After"]) <= 86_400
    never = ask("ann", "POST", "/v1/studies", json=place.request(name="t", trials=11))
    assert (never.status_code, never.json()["errors"][0]["field"]) == (422, "trials")
    assert ask("ann", "POST", "/v1/studies", json=place.request(name="t", trials=4)).status_code == 201
    shown = ask("ann", "GET", "/v1/key").json()
    assert (shown["name"], shown["scopes"]) == ("ann", ["read", "write"])
    assert shown["quota"] == {"queued": 2, "running": None, "candidates": 10}
    assert shown["use"] == {"queued": 2, "running": 0, "candidates": 10}
    assert ask("bob", "GET", "/v1/key").json()["use"] == {"queued": 0, "running": 0, "candidates": 0}
    assert ask("ann", "POST", "/v1/studies/s/cancel").status_code == 202
    service.keys.change_quota("ann", {"queued": 1})
    full = ask("ann", "POST", "/v1/studies/s/resume")
    assert (full.status_code, full.headers["Retry-After"]) == (429, "300")


def test_a_keyless_server_names_studies_as_asked(client: TestClient, place: object) -> None:
    assert client.post("/v1/studies", json=place.request(name="mine")).json()["study"] == "mine"
    assert client.get("/v1/key").json() == {
        "name": None, "scopes": ["admin", "read", "write"], "quota": None, "use": None,
    }  # fmt: skip
    assert client.post("/v1/studies", json=place.request(name="mine@me")).status_code == 422
