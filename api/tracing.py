"""Traces by OpenTelemetry: requests, the jobs that they make, the stages of studies, statements of the database.

FastAPI traces the requests itself, by the provider it is given. Without `--otel` the provider makes no spans.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NoOpTracerProvider,
    SpanKind,
    TracerProvider,
    TraceState,
    get_current_span,
)
from opentelemetry.util.types import Attributes

from optimizer.errors import InputError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.sampling import Sampler
    from sqlalchemy import Engine

NO_TRACES = NoOpTracerProvider()
OPTION, EXTRA = "--otel", 'pip install "pruning-optimizer[otel]"'
SERVICE = "pruning-optimizer"


def traces(role: str, *, to: SpanProcessor | None = None) -> TracerProvider:
    """Return what traces a server or a worker: its spans go to the collector that `OTEL_…` variables name, or `to`.

    Raises `InputError` where OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor  # noqa: F401 - `watch` uses it
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider as Provider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise InputError(OPTION, f"OpenTelemetry is not installed ({error}); run {EXTRA}") from error
    named = {} if "OTEL_SERVICE_NAME" in os.environ else {SERVICE_NAME: f"{SERVICE}-{role}"}
    provider = Provider(resource=Resource.create(named))
    provider.sampler = _of_work_alone(provider.sampler)
    provider.add_span_processor(to or BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def watch(engine: Engine, tracers: TracerProvider) -> None:
    """Trace the statements that are sent to a database."""
    if isinstance(tracers, NoOpTracerProvider):
        return
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

    # It asks for SQLAlchemy below 2.1, and uses events alone that 2.1 has as they were; a test sends statements.
    SQLAlchemyInstrumentor().instrument(engine=engine, tracer_provider=tracers, skip_dep_check=True)


def _of_work_alone(inner: Sampler) -> Sampler:
    """Return a sampler without statements that belong to no request and no job: workers ask for one every second."""
    from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

    class OfWork(Sampler):
        def should_sample(
            self,
            parent_context: Context | None,
            trace_id: int,
            name: str,
            kind: SpanKind | None = None,
            attributes: Attributes = None,
            links: Sequence[Link] | None = None,
            trace_state: TraceState | None = None,
        ) -> SamplingResult:
            if kind is SpanKind.CLIENT and not get_current_span(parent_context).get_span_context().is_valid:
                return SamplingResult(Decision.DROP)
            return inner.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

        def get_description(self) -> str:
            return f"OfWork({inner.get_description()})"

    return OfWork()
