"""Spans of a worker: one for each job, in the trace of the request that made it, and in it one for each stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from opentelemetry.trace import SpanKind, StatusCode, TracerProvider, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from optimizer.logs import ids
from optimizer.progress import TITLES, Event, Listener
from studies.jobs import Job


@contextmanager
def job_span(tracers: TracerProvider, job: Job) -> Iterator[None]:
    """Have what is done in the block be a span of its own, with the ids that the log has."""
    with tracers.get_tracer(__name__).start_as_current_span(
        f"job {job.kind}",
        context=TraceContextTextMapPropagator().extract(job.context),
        kind=SpanKind.CONSUMER,
        attributes={**{name: str(value) for name, value in ids().items()}, "attempt": job.attempts},
    ):
        yield


@contextmanager
def staged(tracers: TracerProvider, listener: Listener) -> Iterator[Listener]:
    """Give a listener that also makes a span of each stage, which ends with the next stage or the block."""
    tracer, now = tracers.get_tracer(__name__), ""

    def listen(event: Event) -> None:
        nonlocal now
        if event.stage in TITLES and event.stage != now:
            now = event.stage
            stage.close()
            stage.enter_context(tracer.start_as_current_span(f"stage {now}"))
        listener(event)

    with ExitStack() as stage:
        yield listen


def note_failure(error: Exception) -> None:
    """Note that the present job failed."""
    span = get_current_span()
    span.record_exception(error)
    span.set_status(StatusCode.ERROR, str(error))
