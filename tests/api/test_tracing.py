"""Traces: a request, the job it made, its stages and its statements are one trace, which a collector receives."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.http.app import create_app
from api.http.settings import Settings
from api.runner.traced import staged
from api.runner.worker import Worker
from api.tracing import traces, watch
from optimizer.errors import InputError
from optimizer.progress import Event
from studies.opening import open_service

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
STUDY = {"model": "bert-base", "task": "sst2", "epsilon": 0.01, "name": "s"}


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    yield InMemorySpanExporter()
    SQLAlchemyInstrumentor().uninstrument()


@pytest.fixture
def tracers(exported: InMemorySpanExporter) -> TracerProvider:
    made = traces("test", to=SimpleSpanProcessor(exported))
    assert isinstance(made, TracerProvider)
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    place = {"storage": f"sqlite:///{tmp_path}/s.sqlite", "cache_dir": tmp_path, "artifacts": tmp_path / "a"}
    return Settings.model_validate(place)


def one(spans: list[ReadableSpan], name: str) -> ReadableSpan:
    [found] = [span for span in spans if span.name == name]
    return found


def parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def test_a_request_and_the_job_that_it_made_are_one_trace(
    settings: Settings, tracers: TracerProvider, exported: InMemorySpanExporter
) -> None:
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-ID": "asked-1", "baggage": "secret=1"}
    with TestClient(create_app(settings, tracers), base_url="http://127.0.0.1:8000") as client:
        assert client.post("/v1/studies", json=STUDY, headers=headers).status_code == 201
        client.get("/healthz")
    service = open_service(settings.storage)
    [job] = service.jobs.jobs(1)
    assert set(job.context) == {"request", "traceparent"}
    SQLAlchemyInstrumentor().uninstrument()  # that of the server: a process has one
    watch(service.database.engine, tracers)
    service.store.update_study(1, add_seconds={"load": 1.0})  # of no request and no job
    with service.database.write() as session:  # as a hub would refuse it, without asking one
        session.connection().exec_driver_sql("UPDATE studies SET spec = '{}'")
    Worker(service, settings.cache_dir, settings.artifacts, tracers=tracers).run(until_idle=True)
    service.close()
    spans = list(exported.get_finished_spans())
    assert {f"{span.context.trace_id:032x}" for span in spans} == {TRACE}
    asked, ran = one(spans, "POST /v1/studies"), one(spans, "job run")
    assert (parent(asked), parent(ran)) == (int(CALLER, 16), asked.context.span_id)
    for span in (asked, ran):
        assert {"request": "asked-1", "study": "1"}.items() <= dict(span.attributes or {}).items()
    assert not ran.status.is_ok
    for span in (asked, ran):
        statements = [each for each in spans if parent(each) == span.context.span_id and each.name.startswith("SELECT")]
        assert statements


def test_a_stage_holds_what_comes_meanwhile_and_a_remark_is_none(
    tracers: TracerProvider, exported: InMemorySpanExporter
) -> None:
    heard: list[Event] = []
    with pytest.raises(ValueError, match="broken"), staged(tracers, heard.append) as listener:
        for stage in ("load", "note", "load", "search"):
            listener(Event(stage=stage))
            tracers.get_tracer("x").start_span(f"in {stage}").end()
        raise ValueError("broken")
    spans = list(exported.get_finished_spans())
    load, search = one(spans, "stage load"), one(spans, "stage search")
    assert [event.stage for event in heard] == ["load", "note", "load", "search"]
    assert {parent(span) for span in spans if span.name in ("in load", "in note")} == {load.context.span_id}
    assert parent(one(spans, "in search")) == search.context.span_id
    assert (load.status.is_ok, search.status.is_ok) == (True, False)


def test_a_collector_receives_spans_with_the_name_of_their_service(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *values: object) -> None:
            """Stay silent."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    provider = traces("worker")
    provider.get_tracer("x").start_span("seen").end()
    assert isinstance(provider, TracerProvider)
    provider.shutdown()
    server.shutdown()
    thread.join()
    server.server_close()
    [spans] = [each for request in received for each in request.resource_spans]
    names = {each.key: each.value.string_value for each in spans.resource.attributes}
    assert names["service.name"] == "pruning-optimizer-worker"
    assert [span.name for span in spans.scope_spans[0].spans] == ["seen"]


def test_without_the_packages_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(InputError, match=r'^--otel: .*pip install "pruning-optimizer\[otel\]"'):
        traces("server")
