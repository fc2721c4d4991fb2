"""The app: routes, guard and state put together. Creating it starts nothing; its lifespan opens the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from opentelemetry.trace import TracerProvider
from prometheus_client import CollectorRegistry

from api.http import description
from api.http.conditional import Held
from api.http.feed import Feed
from api.http.figures import QueueFigures
from api.http.guard import Guard
from api.http.measured import Measured
from api.http.problems import handle_problems
from api.http.routes import (
    candidates,
    catalogue,
    events,
    exports,
    fronts,
    health,
    importance,
    key,
    labels,
    purchases,
    queue,
    recommendations,
    studies,
)
from api.http.settings import Settings
from api.http.state import State
from api.http.upkeep import keep_tidy
from api.pages.router import add_pages
from api.tracing import NO_TRACES, watch
from studies.opening import open_service

UNTRACED = ("/healthz", "/readyz", "/metrics")  # asked for every few seconds
DESCRIPTION = "Multi-objective pruning studies: submit, follow, and ask for verified Pareto fronts."
MODULES = (
    description, fronts, studies, recommendations, candidates, events, exports, importance, purchases, labels, queue,
    catalogue, key, health,
)  # fmt: skip


def create_app(settings: Settings, tracers: TracerProvider = NO_TRACES) -> FastAPI:
    """Return the service's ASGI app. `tracers` make the spans of its requests and their statements."""

    registry = CollectorRegistry()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = open_service(settings.storage, limits=settings.limits)
        watch(service.database.engine, tracers)
        feed = Feed(service.events, service.has_study)
        app.state.shared = State(settings, service, feed, registry)
        figures = QueueFigures(service)
        registry.register(figures)
        upkeep = asyncio.create_task(keep_tidy(service.events, service.jobs, settings))
        try:
            yield
        finally:
            registry.unregister(figures)
            upkeep.cancel()
            await feed.close()
            service.close()

    app = FastAPI(
        title="Pruning optimizer",
        description=DESCRIPTION,
        version="1",
        lifespan=lifespan,
        openapi_url=None,  # `api.http.description` answers
        docs_url=None,  # its pages fetch scripts from elsewhere
        redoc_url=None,
        telemetry={
            "tracer_provider": tracers,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": lambda scope: scope["path"] in UNTRACED,
        },
    )
    for module in MODULES:
        app.router.routes.extend(module.router.routes)  # `include_router` would compile each again in the first request
    handle_problems(app)
    add_pages(app)
    app.add_middleware(Held)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Measured, registry=registry)  # the outermost: it comes first
    return app
