"""The queue as it is shown: who works, on what, what waits, and nothing of what is not the caller's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi.testclient import TestClient

from api.runner.worker import Worker
from studies.keys import Scope
from studies.opening import open_service


def test_workers_are_listed_with_what_they_run_and_jobs_in_their_order(place: object, client: TestClient) -> None:
    for name, priority in (("first", 0), ("second", 0), ("urgent", 5)):
        client.post("/v1/studies", json=place.request(name=name, priority=priority))
    service = open_service(place.settings.storage)
    service.workers.seen("ann")
    service.workers.seen("bob")
    job = service.jobs.claim("ann", lease_s=60)
    queue = client.get("/v1/queue").json()
    shown = [(worker["name"], worker["job"], worker["silent"]) for worker in queue["workers"]]
    assert shown == [("ann", job.id, False), ("bob", None, False)]
    assert [(j["study"], j["state"]) for j in queue["jobs"]] == [
        ("urgent", "running"), ("first", "queued"), ("second", "queued"),
    ]  # fmt: skip
    page = client.get("/queue", headers={"Accept": "text/html"}).text
    places = [page.index(f'/studies/{name}"') for name in ("urgent", "first", "second")]
    assert places == sorted(places)
    service.workers.gone("bob")
    service.close()
    assert "bob" not in client.get("/queue", headers={"Accept": "text/html"}).text


def test_a_worker_says_that_it_is_there_and_that_it_goes(place: object, client: TestClient) -> None:
    service = open_service(place.settings.storage)
    there = []
    alive = place.root / "alive"
    worker = Worker(service, place.settings.cache_dir, place.settings.artifacts, name="ann", alive=alive)
    worker.stopping.wait = lambda _: (there.extend(service.workers.all()), worker.stopping.set())
    worker.run()
    assert [one.name for one in there] == ["ann"]
    assert alive.exists()
    assert client.get("/v1/queue").json() == {"workers": [], "jobs": []}
    service.close()


def test_one_that_says_nothing_is_silent_and_then_forgotten(place: object, client: TestClient) -> None:
    now = [datetime.now(UTC) - timedelta(minutes=1)]
    service = open_service(place.settings.storage)
    service.workers._clock = lambda: now[0]
    service.workers.seen("ann")
    assert client.get("/v1/queue").json()["workers"][0]["silent"]
    now[0] += timedelta(hours=1)
    service.workers.seen("bob")
    assert [one.name for one in service.workers.all()] == ["bob"]
    service.close()


def test_studies_of_others_have_no_name_in_the_queue(place: object, client: TestClient) -> None:
    service = open_service(place.settings.storage)
    (_, ann), (_, bob) = (service.keys.add(name, [Scope.READ, Scope.WRITE]) for name in ("ann", "bob"))
    service.close()
    mine = {"Authorization": f"Bearer {ann}"}
    client.post("/v1/studies", json=place.request(name="secret"), headers=mine)
    assert "secret" in client.get("/v1/queue", headers=mine).json()["jobs"][0]["study"]
    other = {"Authorization": f"Bearer {bob}"}
    [job] = client.get("/v1/queue", headers=other).json()["jobs"]
    assert (job["study"], job["state"]) == (None, "queued")
    assert (
        client.patch("/v1/studies/secret", json={"note": "x"}, headers={"Authorization": f"Bearer {bob}"}).status_code
        == 404
    )
