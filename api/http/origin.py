"""The origin of a job: what the request that makes it is called in logs and traces, which a worker continues."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from optimizer.logs import REQUEST, ids

PARENT = "traceparent"


def origin() -> Mapping[str, str]:
    """Return the context of a job that the present request makes."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    parent = {PARENT: carrier[PARENT]} if PARENT in carrier else {}
    return {REQUEST: str(ids()[REQUEST]), **parent}
