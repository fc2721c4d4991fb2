"""The service as its users meet it: submit, follow, ask for fronts, download."""

from __future__ import annotations

import io
import json
import re
import threading

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event as listening

from studies.opening import open_service


def test_a_submitted_study_is_queued_run_and_answered(done: tuple) -> None:
    place, client = done
    study = client.get("/v1/studies/first").json()
    assert study["state"] == "complete"
    assert study["spec"]["epsilon"] == 0.3
    result = client.get("/v1/studies/first/result").json()
    assert result["candidates_evaluated"] == place.request()["trials"]
    front = client.get("/v1/studies/first/front").json()
    assert [m["candidate"] for m in front["items"]] == [m["candidate"] for m in result["front"]]


def test_an_unchanged_front_is_304_and_a_changed_one_is_not(done: tuple) -> None:
    _, client = done
    first = client.get("/v1/studies/first/front")
    tag = first.headers["ETag"]
    assert client.get("/v1/studies/first/front", headers={"If-None-Match": tag}).status_code == 304
    other = client.get("/v1/studies/first/front?max_flops_ratio=0.7", headers={"If-None-Match": tag})
    assert other.status_code == 200
    assert all(member["flops_ratio"] <= 0.7 for member in other.json()["items"])


def test_candidates_come_paged_sorted_and_as_tables(done: tuple) -> None:
    _, client = done
    seen: list[int] = []
    cursor: str | None = "0"
    while cursor is not None:
        page = client.get(f"/v1/studies/first/candidates?sort=flops_ratio&limit=2&cursor={cursor}").json()
        assert len(page["items"]) <= 2
        seen += [item["candidate"] for item in page["items"]]
        cursor = page["next"]
    assert sorted(seen) == list(range(len(seen)))
    csv = client.get("/v1/studies/first/candidates", headers={"Accept": "text/csv"})
    parquet = client.get("/v1/studies/first/candidates", headers={"Accept": "application/vnd.apache.parquet"})
    tables = [pd.read_csv(io.BytesIO(csv.content)), pd.read_parquet(io.BytesIO(parquet.content))]
    assert [sorted(table["candidate"]) for table in tables] == [sorted(seen)] * 2
    assert client.get("/v1/studies/first/candidates", headers={"Accept": "image/png"}).status_code == 406
    one = client.get(f"/v1/studies/first/candidates/{seen[0]}").json()
    assert one["candidate"] == seen[0]
    assert client.get("/v1/studies/first/candidates/99").status_code == 404


def test_events_replay_in_order_and_from_where_one_left_off(done: tuple) -> None:
    place, client = done
    events = read_events(client, "/v1/studies/first/events")  # the stream ends by itself: the study has
    assert events[-1]["event"] == "state"
    assert json.loads(events[-1]["data"])["state"] == "complete"
    assert [e["event"] for e in events].count("candidate") == place.request()["trials"]
    ids = [int(e["id"]) for e in events]
    assert ids == sorted(set(ids))
    rest = read_events(client, "/v1/studies/first/events?follow=false", **{"Last-Event-ID": str(ids[2])})
    assert [int(e["id"]) for e in rest] == ids[3:]


def read_events(client: TestClient, path: str, **headers: str) -> list[dict[str, str]]:
    text = client.get(path, headers=headers).text
    blocks = [block for block in text.split("\n\n") if block.strip()]
    return [dict(line.split(": ", 1) for line in block.splitlines() if ": " in line[:7]) for block in blocks]


def test_an_export_is_written_by_a_worker_and_downloaded_in_ranges(done: tuple) -> None:
    place, client = done
    candidate = client.get("/v1/studies/first/front").json()["items"][0]["candidate"]
    submitted = client.post("/v1/studies/first/exports", json={"candidate": candidate})
    assert submitted.status_code == 202
    where = submitted.headers["Location"]
    assert client.get(where).json()["state"] == "queued"
    assert client.get(f"{where}/files/model.safetensors").status_code == 404
    place.work()
    job = client.get(where).json()
    assert job["state"] == "done", job
    assert {"model.safetensors", "config.json", "report.html"} <= set(job["result"]["files"])
    assert "<!doctype html>" in client.get(f"{where}/files/report.html").text
    whole = client.get(f"{where}/files/model.safetensors").content
    part = client.get(f"{where}/files/model.safetensors", headers={"Range": "bytes=8-15"})
    assert part.status_code == 206
    assert part.content == whole[8:16]
    for wrong, status in (("bytes=9999999999-", 416), ("bytes=5-1", 400), ("lines=1-2", 400), ("bytes", 400)):
        refused = client.get(f"{where}/files/model.safetensors", headers={"Range": wrong})
        assert (refused.status_code, refused.headers["Content-Type"]) == (status, "application/problem+json")
        assert refused.json()["detail"].count("Range") <= 1
    for name in ("..%2f..%2fs.sqlite", "%2e%2e/s.sqlite", "nothing"):
        assert client.get(f"{where}/files/{name}").status_code == 404


def test_the_same_idempotency_key_makes_one_study(place: object, client: TestClient) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = client.post("/v1/studies", json=place.request(), headers=headers)
    again = client.post("/v1/studies", json=place.request(), headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.json()["id"] == again.json()["id"]
    assert len(client.get("/v1/studies").json()["items"]) == 1
    other = client.post("/v1/studies", json=place.request(epsilon=0.1), headers=headers)
    assert other.status_code == 409


def test_studies_are_listed_newest_first_in_pages(place: object, client: TestClient) -> None:
    for number in range(5):
        assert client.post("/v1/studies", json=place.request(name=f"s{number}")).status_code == 201
    names, cursor = [], None
    while True:
        page = client.get("/v1/studies", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        names += [item["study"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert names == ["s4", "s3", "s2", "s1", "s0"]
    assert [s["study"] for s in client.get("/v1/studies?search=s3").json()["items"]] == ["s3"]
    assert client.get("/v1/studies?state=complete").json()["items"] == []


def test_a_queued_study_is_cancelled_resumed_and_deleted(place: object, client: TestClient) -> None:
    client.post("/v1/studies", json=place.request(name="s", trials=3))
    assert client.delete("/v1/studies/s").status_code == 409
    assert client.post("/v1/studies/s/cancel").json()["state"] == "cancelled"
    assert client.post("/v1/studies/s/cancel").status_code == 409
    assert client.post("/v1/studies/s/resume").status_code == 202
    place.work()
    assert client.get("/v1/studies/s").json()["state"] == "complete"
    assert client.post("/v1/studies/s/resume").status_code == 409
    assert client.post("/v1/studies/s/resume", json={"epsilon": 0.1}).status_code == 422
    assert client.post("/v1/studies/s/resume", json={"epsilon": 0.4}).status_code == 202
    place.work()
    assert client.get("/v1/studies/s").json()["spec"]["epsilon"] == 0.4
    assert client.delete("/v1/studies/s").status_code == 204
    assert client.get("/v1/studies/s").status_code == 404


def test_a_study_whose_input_is_refused_ends_failed_with_the_reason(place: object, client: TestClient) -> None:
    client.post("/v1/studies", json=place.request(name="s", keep=["layer.77"]))
    place.work()
    study = client.get("/v1/studies/s").json()
    assert study["state"] == "failed"
    assert "layer.77" in study["error"]


def test_the_catalogue_and_the_health(client: TestClient) -> None:
    models = [item["name"] for item in client.get("/v1/models").json()["items"]]
    tasks = [item["name"] for item in client.get("/v1/tasks").json()["items"]]
    assert {"bert-base", "phrases-mini", "resnet18", "convnext_base"} <= set(models)
    assert {"sst2", "phrases", "imagenet-1k"} <= set(tasks)
    assert "tpe" in client.get("/v1/samplers").json()["items"]
    assert "flops" in client.get("/v1/objectives").json()["items"]
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}
    assert "optimizer_jobs_waiting 0.0" in client.get("/metrics").text


def test_whoever_follows_a_study_that_is_deleted_is_let_go(
    place: object, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.http.feed.SILENCE_S", 0.2)
    client.post("/v1/studies", json=place.request(name="s"))
    service = open_service(place.settings.storage)
    study = service.store.study("s")
    deletion = threading.Timer(0.5, service.store.delete_study, [study.id])
    deletion.start()
    assert read_events(client, "/v1/studies/s/events")  # returns
    deletion.join()
    service.close()


def test_a_study_is_labelled_in_part_and_found_by_its_tag(place: object, client: TestClient) -> None:
    for name in ("one", "two"):
        client.post("/v1/studies", json=place.request(name=name))
    assert client.patch("/v1/studies/one", json={"tags": ["b", "a"]}).json()["tags"] == ["a", "b"]
    assert client.patch("/v1/studies/one", json={"note": "why"}).json()["tags"] == ["a", "b"]
    read = client.get("/v1/studies/one").json()
    assert (read["tags"], read["note"]) == (["a", "b"], "why")
    assert [study["study"] for study in client.get("/v1/studies?tag=a").json()["items"]] == ["one"]
    for refused in (
        {"tags": [""]},
        {"tags": [" "]},
        {"tags": ["x" * 41]},
        {"tags": [str(n) for n in range(21)]},
        {"notes": "why"},
    ):
        assert client.patch("/v1/studies/one", json=refused).status_code == 422
    assert client.patch("/v1/studies/none", json={"note": ""}).status_code == 404


def test_an_unnamed_study_reads_names_alone(place: object, client: TestClient) -> None:
    for _ in range(2):
        client.post("/v1/studies", json=place.request())
    statements: list[str] = []
    engine = client.app.state.shared.service.database.engine
    listening.listen(engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    assert client.post("/v1/studies", json=place.request()).json()["study"] == "model-colours-3"
    of_all = [s for s in statements if "studies.spec" in s and not re.search(r"WHERE studies.(id|slug) = ", s)]
    assert not of_all, of_all
