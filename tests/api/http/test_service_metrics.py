"""Figures for monitoring: latencies by route, the queue's ages, candidates, lost leases; and the ids of requests."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from api.logs import ACCESS
from optimizer.logs import JsonLines, TextLines, about
from studies.jobs import JobKind
from studies.opening import open_service
from studies.sql.tables import EventRow, JobRow


def figures(client: TestClient) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = (sample for family in families for sample in family.samples)
    return {(sample.name, *map(str, sample.labels.values())): sample.value for sample in samples}


def test_requests_are_counted_by_route_and_never_by_name(client: TestClient) -> None:
    client.get("/v1/studies/secret-name")
    client.get("/v1/studies")
    client.get("/no/such/path")
    client.request("BREW", "/v1/studies")
    found = figures(client)
    assert found["optimizer_request_seconds_count", "GET", "/v1/studies/{name}", "404"] == 1
    assert found["optimizer_request_seconds_count", "GET", "/v1/studies", "200"] == 1
    assert found["optimizer_request_seconds_bucket", "10.0", "GET", "/v1/studies", "200"] == 1
    assert not any("secret" in part or "BREW" in part for sample in found for part in sample)


def test_the_queue_shows_its_ages_and_what_workers_lost(place, client: TestClient) -> None:
    assert client.post("/v1/studies", json=place.request(name="s")).status_code == 201
    service = open_service(place.settings.storage)
    now = datetime.now(UTC)
    for hours in (2, 0):
        job = service.jobs.enqueue(1, JobKind.EXPORT, {})
        with service.database.write() as session:
            session.execute(update(JobRow).where(JobRow.id == job.id).values(created_at=now - timedelta(hours=hours)))
    found = figures(client)
    assert (found["optimizer_jobs_waiting",], found["optimizer_jobs_running",]) == (3, 0)
    ages = {sample[1]: value for sample, value in found.items() if sample[0] == "optimizer_queue_age_seconds_bucket"}
    assert (ages["60.0"], ages["3600.0"], ages["21600.0"], ages["+Inf"]) == (2, 2, 3, 3)
    assert found["optimizer_queue_age_seconds_gsum",] == pytest.approx(7200, abs=30)
    claimed = service.jobs.claim("silent", lease_s=60)
    with service.database.write() as session:
        session.execute(update(JobRow).where(JobRow.id == claimed.id).values(lease_until=now - timedelta(seconds=1)))
    assert figures(client)["optimizer_jobs_running",] == 1
    service.jobs.claim("next", lease_s=60, kinds=[JobKind.CERTIFY])
    assert figures(client)["optimizer_leases_lost_per_hour",] == 1
    events = {event.kind: event.data for event in service.events.after(0, limit=9)}
    assert events["lease"] == {"job": claimed.id, "kind": claimed.kind, "worker": "silent", "attempt": 1}
    with service.database.write() as session:
        session.execute(update(EventRow).values(created_at=now - timedelta(hours=2)))
    assert figures(client)["optimizer_leases_lost_per_hour",] == 0
    assert "silent fell silent in attempt 1" in client.get("/studies/s/log").text
    service.close()


def json_lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [json.loads(line) for line in caplog.text.splitlines()]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log as the service writes it with --log-format json."""
    for name in ("api", ACCESS):
        caplog.set_level(logging.INFO, logger=name)
    caplog.handler.setFormatter(JsonLines())
    return caplog


def test_a_request_keeps_its_id_or_gets_one(logged: pytest.LogCaptureFixture, client: TestClient) -> None:
    assert client.get("/v1/studies/s1", headers={"X-Request-ID": "abc.1"}).headers["X-Request-ID"] == "abc.1"
    forged = ("", 'x" y', "a" * 65, "a" * 30_000, "{}", "é", "a%0ab", "../..")
    made = [client.get("/healthz", headers={"X-Request-ID": one.encode()}).headers["X-Request-ID"] for one in forged]
    assert all(len(one) == 32 for one in made) and len(set(made)) == len(forged)
    lines = [line for line in json_lines(logged) if line["logger"] == "api.access"]
    assert [line["request"] for line in lines] == ["abc.1", *made]
    assert lines[0] | {"status": 404, "method": "GET", "path": "/v1/studies/s1"} == lines[0]


def test_all_lines_about_a_study_carry_its_id_and_the_workers_those_of_the_request(
    logged: pytest.LogCaptureFixture, place, client: TestClient
) -> None:
    asked = client.post("/v1/studies", json=place.request(name="s"), headers={"X-Request-ID": "asked-1"})
    assert asked.status_code == 201
    client.get("/v1/studies/s/front")
    client.get("/v1/studies/s", headers={"X-Request-ID": "asked-2"})
    place.settings = place.settings.model_copy(update={"roots": ()})  # so that the worker refuses the study
    place.work()
    lines = [line for line in json_lines(logged) if str(line["logger"]).startswith("api.")]
    assert [line["study"] for line in lines if line["logger"] == "api.access"] == [1, 1, 1]
    worked = [line for line in lines if line["logger"] == "api.runner.worker"]
    assert len(worked) >= 2
    assert all((line["request"], line["study"], line["job"]) == ("asked-1", 1, 1) for line in worked)


def test_a_line_of_text_is_one_line_whatever_a_caller_writes() -> None:
    record = logging.LogRecord(
        "api.x", logging.ERROR, "x.py", 1, "%s failed", ("/a\n2026 INFO forged\x1b[2K\u2028é",), None
    )
    assert TextLines("%(message)s").format(record) == "/a\\x0a2026 INFO forged\\x1b[2K é failed"


def test_a_line_says_what_it_is_about_and_stays_one_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        record = logging.LogRecord("api.x", logging.ERROR, "x.py", 1, "job %d\nfailed", (3,), None)
        record.exc_info = type(error), error, error.__traceback__
    with about(job=3, study=7):
        text = JsonLines().format(record)
    line = json.loads(text)
    assert "\n" not in text
    assert (line["job"], line["study"], line["level"], line["message"]) == (3, 7, "error", "job 3\nfailed")
    assert "two\nlines" in line["error"]
    assert "job" not in json.loads(JsonLines().format(record))
