"""Health: whether the process is alive, whether it can work, and its figures."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from api.http.problems import responses
from api.http.state import Shared

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """An answer of one word."""

    status: str


@router.get("/healthz")
def alive() -> Health:
    """Say that the process lives."""
    return Health(status="alive")


@router.get("/readyz", responses=responses(503))
def ready(state: Shared) -> Health:
    """Say that the database answers, and takes what this program writes."""
    state.service.database.check_writable()
    return Health(status="ready")


@router.get("/metrics", response_class=Response, responses=responses(503))
def metrics(state: Shared) -> Response:
    """Return the figures of requests and of the queue in Prometheus' text format."""
    return Response(generate_latest(state.registry), media_type=CONTENT_TYPE_LATEST)
