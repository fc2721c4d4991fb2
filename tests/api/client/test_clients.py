"""Both clients against a real server: what they are told is what the server has."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from api.client import (
    AsyncClient,
    Client,
    ConflictError,
    ForbiddenError,
    LiveEvent,
    NotFoundError,
    StudyCancelledError,
    StudyFailedError,
    UnauthorizedError,
    UnreachableError,
)
from api.http.routes.candidates import Order
from api.http.routes.recommendations import Rule
from optimizer.errors import InputError, UnknownNameError
from optimizer.fronts.result import result_of
from studies.keys import Scope
from studies.opening import open_service, open_store
from studies.records import StudyState


def test_a_submitted_study_is_followed_to_its_result(place) -> None:
    heard: list[LiveEvent] = []
    with place.client() as client:
        submitted = client.submit(place.spec(), name="s")
        assert submitted.state is StudyState.QUEUED
        with place.working():
            result = client.wait("s", listener=heard.append)
    store = open_store(place.settings.storage, read_only=True)
    assert result == result_of(store.study("s"), store)
    store.close()
    assert result.state == "complete"
    assert [e.kind for e in heard].count("candidate") == place.spec().trials
    assert [e.sequence for e in heard] == sorted({e.sequence for e in heard})
    assert heard[-1].is_final and not heard[0].is_final


def test_both_clients_answer_alike(done) -> None:
    with done.client() as client:
        blocking = {
            "study": client.study("first"),
            "studies": list(client.studies(search="fir")),
            "result": client.result("first"),
            "front": client.front("first", epsilon=0.2, limits={"flops": 0.9}),
            "best": client.recommendation("first", Rule.WEIGHTS, weights={"drop": 2, "flops": 1}),
            "candidates": list(client.candidates("first", sort=Order.FLOPS, descending=True)),
            "candidate": client.candidate("first", 0),
            "events": list(client.events("first")),
            "names": (client.models(), client.tasks(), client.samplers(), client.objectives()),
            "key": client.key(),
        }

    async def ask() -> dict[str, object]:
        async with AsyncClient(done.url) as client:
            return {
                "study": await client.study("first"),
                "studies": [study async for study in client.studies(search="fir")],
                "result": await client.result("first"),
                "front": await client.front("first", epsilon=0.2, limits={"flops": 0.9}),
                "best": await client.recommendation("first", Rule.WEIGHTS, weights={"drop": 2, "flops": 1}),
                "candidates": [m async for m in client.candidates("first", sort=Order.FLOPS, descending=True)],
                "candidate": await client.candidate("first", 0),
                "events": [event async for event in client.events("first")],
                "names": (
                    await client.models(),
                    await client.tasks(),
                    await client.samplers(),
                    await client.objectives(),
                ),
                "key": await client.key(),
            }

    assert asyncio.run(ask()) == blocking
    ratios = [member.flops_ratio for member in blocking["candidates"]]  # type: ignore[attr-defined]
    assert ratios == sorted(ratios, reverse=True)
    assert len(ratios) == done.spec().trials


def test_lists_come_over_many_pages(place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.client.service.AT_ONCE", 2)
    with place.client() as client:
        for number in range(5):
            client.submit(place.spec(), name=f"s{number}")
        assert [study.study for study in client.studies()] == ["s4", "s3", "s2", "s1", "s0"]
        assert next(client.studies(state=StudyState.QUEUED)).study == "s4"
        assert list(client.studies(state=StudyState.COMPLETE)) == []


def test_an_unchanged_front_comes_from_memory_and_a_changed_one_does_not(place) -> None:
    with place.client() as client:
        client.submit(place.spec(trials=3), name="s")
        place.work()
        first = client.front("s")
        assert client.front("s") is first
        assert client.front("s", epsilon=0.1) is not first
        client.resume("s", epsilon=0.4)
        place.work()
        assert client.front("s").epsilon == 0.4


def test_a_limit_that_is_none_is_refused_here(done) -> None:
    with done.client() as client, pytest.raises(UnknownNameError, match="did you mean 'flops'"):
        client.front("first", limits={"flop": 0.5})


def test_refusals_are_errors_with_everything_that_was_said(done) -> None:
    with done.client() as client:
        with pytest.raises(NotFoundError, match="none is called 'nothing'") as missing:
            client.study("nothing")
        with pytest.raises(ConflictError, match="there is nothing to cancel"):
            client.cancel("first")
        with pytest.raises(ConflictError, match="exists already"):
            client.submit(done.spec(), name="first")
        with pytest.raises(ForbiddenError) as outside:
            client.submit(done.spec(model="/etc"))
        with pytest.raises(NotFoundError):
            client.study("../../healthz")
    assert (missing.value.status, missing.value.title) == (404, "Not found")
    assert [error.field for error in outside.value.errors] == ["model"]


def test_a_study_is_cancelled_resumed_and_deleted(place) -> None:
    with place.client() as client:
        client.submit(place.spec(trials=3), name="s")
        assert client.cancel("s").state is StudyState.CANCELLED
        with pytest.raises(StudyCancelledError):
            client.wait("s")
        assert client.resume("s").state == "queued"
        place.work()
        assert client.wait("s").candidates_evaluated == 3
        client.delete("s")
        assert list(client.studies()) == []


def test_a_study_is_labelled_and_found_by_its_tag(place) -> None:
    with place.client() as client:
        client.submit(place.spec(), name="s")
        assert client.label("s", tags=["paper"]).tags == ("paper",)
        assert client.label("s", note="why").tags == ("paper",)
        assert [study.note for study in client.studies(tag="paper")] == ["why"]
        assert list(client.studies(tag="pap")) == []


def test_a_study_that_fails_says_why(place) -> None:
    with place.client() as client:
        client.submit(place.spec(keep=["layer.77"]), name="s")
        place.work()
        with pytest.raises(StudyFailedError, match=r"layer\.77") as failed:
            client.wait("s")
    assert failed.value.study.seconds == {}


def test_the_key_decides_and_is_not_shown(place) -> None:
    service = open_service(place.settings.storage)
    _, secret = service.keys.add("alice", [Scope.READ])
    service.close()
    with place.client() as client, pytest.raises(UnauthorizedError, match="valid API key"):
        client.study("s")
    with place.client(api_key="opk_wrong") as client, pytest.raises(UnauthorizedError) as refused:
        client.study("s")
    assert "opk_wrong" not in str(refused.value)
    with place.client(api_key=secret) as client:
        assert list(client.studies()) == []
        with pytest.raises(ForbiddenError):
            client.submit(place.spec())


def test_a_server_that_is_not_there_is_tried_again_then_named(place) -> None:
    place.stop()
    try:
        with place.client() as client:
            began = time.monotonic()
            with pytest.raises(UnreachableError, match=f"127.0.0.1:{place.port} does not answer"):
                client.study("s")
            assert time.monotonic() - began > 0.2
    finally:
        place.start()
    with place.client() as client:
        assert list(client.studies()) == []


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost", "http://", "", "http://h?x=1"])
def test_what_is_no_url_is_refused_with_the_form_of_one(url: str) -> None:
    with pytest.raises(InputError, match="http://HOST:PORT"):
        Client(url)


def test_events_go_on_where_they_were_after_the_server_started_again(place) -> None:
    heard: list[LiveEvent] = []
    with place.client() as client:
        client.submit(place.spec(), name="s")
        listener = threading.Thread(target=lambda: heard.extend(client.events("s")))
        listener.start()
        time.sleep(0.3)
        place.stop()
        place.work()
        place.start()
        listener.join(timeout=200)
        assert not listener.is_alive()
        assert heard == list(client.events("s", follow=False))
        assert heard[3:] == list(client.events("s", after=heard[2].sequence, follow=False))


def test_an_export_is_the_servers_files_and_refuses_a_full_directory(done, tmp_path: Path) -> None:
    with done.client() as client, done.working():
        candidate = client.front("first").items[0].candidate
        files = client.export("first", candidate, tmp_path / "out")
        with pytest.raises(InputError, match="is not empty"):
            client.export("first", candidate, tmp_path / "out")
    (folder,) = done.settings.artifacts.iterdir()
    assert {file.name: file.read_bytes() for file in files} == {f.name: f.read_bytes() for f in folder.iterdir()}
    assert sorted(tmp_path.iterdir()) == [tmp_path / "out"]
