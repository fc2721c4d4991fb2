"""The service's client: `Client`, `AsyncClient` and their errors, each loaded when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # pydantic, httpx and FastAPI take a second to load
    from api.client.asynchronous import AsyncClient
    from api.client.blocking import Client
    from api.client.errors import (
        ApiError,
        ClientError,
        ConflictError,
        ExportFailedError,
        ForbiddenError,
        InvalidError,
        NotFoundError,
        PurchaseFailedError,
        ServerError,
        StudyCancelledError,
        StudyEndedError,
        StudyFailedError,
        TooManyError,
        UnauthorizedError,
        UnavailableError,
        UnexpectedAnswerError,
        UnreachableError,
    )
    from api.client.events import LiveEvent
    from api.client.filters import FrontFilter
    from api.client.patience import Patience

ELSEWHERE = {
    "AsyncClient": "api.client.asynchronous",
    "Client": "api.client.blocking",
    "FrontFilter": "api.client.filters",
    "LiveEvent": "api.client.events",
    "Patience": "api.client.patience",
}

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "ClientError",
    "ConflictError",
    "ExportFailedError",
    "ForbiddenError",
    "FrontFilter",
    "InvalidError",
    "LiveEvent",
    "NotFoundError",
    "Patience",
    "PurchaseFailedError",
    "ServerError",
    "StudyCancelledError",
    "StudyEndedError",
    "StudyFailedError",
    "TooManyError",
    "UnauthorizedError",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnreachableError",
]


def __getattr__(name: str) -> Any:  # Any: classes
    if name not in __all__:
        raise AttributeError(f"module 'api.client' has no attribute {name!r}")
    return getattr(import_module(ELSEWHERE.get(name, "api.client.errors")), name)
