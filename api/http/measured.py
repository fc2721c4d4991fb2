"""Measured: every request gets an id, its time to the first byte of the answer is counted, and it is logged."""

from __future__ import annotations

import logging
import re
import time
from uuid import uuid4

from opentelemetry.trace import get_current_span
from prometheus_client import CollectorRegistry, Histogram
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import METHODS
from api.logs import ACCESS
from optimizer.logs import REQUEST, about, ids

HEADER = "X-Request-ID"
SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
UNROUTED = "none"  # of what no route has answered; its path is the caller's own
_USABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")
log = logging.getLogger(ACCESS)


class Measured:
    """Counts and names requests. `registry` gets the histogram."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        self._seconds = Histogram(
            "optimizer_request_seconds",
            "Time to the first byte of an answer",
            ("method", "route", "status"),
            buckets=SECONDS,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request = given if _USABLE.fullmatch(given) else uuid4().hex
        began = time.perf_counter()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (HEADER.lower().encode(), request.encode())]
                self._note(scope, message["status"], time.perf_counter() - began)
            await send(message)

        with about(**{REQUEST: request}):
            await self._app(scope, receive, noted)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", scope.get("held", UNROUTED))
        method = scope["method"] if scope["method"] in METHODS else UNROUTED  # any other is the caller's own word
        self._seconds.labels(method, route, str(status)).observe(seconds)
        get_current_span().set_attributes({name: str(value) for name, value in ids().items()})
        fields = {"method": scope["method"], "path": scope["path"], "status": status, "seconds": round(seconds, 6)}
        log.info("%s %s %d", scope["method"], scope["path"], status, extra={"fields": fields})
