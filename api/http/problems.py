"""Problems: every refusal as RFC 9457 problem details, with the field at fault and the remedy."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from optimizer.errors import BrokenSpecError, InputError, UnknownNameError
from studies.idempotency import IdempotencyConflictError
from studies.jobs import JobNotFoundError
from studies.keys import KeyNotFoundError
from studies.quotas import BeyondQuotaError, OverQuotaError
from studies.rules import readable_data
from studies.store import (
    CandidateNotFoundError,
    LabelError,
    PurchaseError,
    StoreError,
    StoreUnavailableError,
    StoreUnusableError,
    StudyBusyError,
    StudyExistsError,
    StudyNotFoundError,
    StudySlugError,
    StudyTornError,
)

MEDIA_TYPE = "application/problem+json"
TITLES: Mapping[int, str] = {
    400: "Bad request",
    401: "Key needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Too slow",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    416: "Range not satisfiable",
    421: "Misdirected request",
    422: "Invalid input",
    429: "Too many requests",
    431: "Headers too large",
    500: "Internal error",
    503: "Unavailable",
}
STATUS: Mapping[type[Exception], int] = {
    StudyNotFoundError: 404,
    CandidateNotFoundError: 404,
    UnknownNameError: 404,
    StudyExistsError: 409,
    StudyBusyError: 409,
    StudyTornError: 409,
    StudySlugError: 422,
    LabelError: 422,
    PurchaseError: 409,
    BrokenSpecError: 409,
    InputError: 422,
    JobNotFoundError: 404,
    KeyNotFoundError: 404,
    IdempotencyConflictError: 409,
    OverQuotaError: 429,
    BeyondQuotaError: 422,
    StoreUnavailableError: 503,
    StoreUnusableError: 503,
    StoreError: 503,
}
FOR_THE_LOG: Mapping[type[Exception], str] = {  # what these say is for the operator of the server: it names the storage
    StoreUnavailableError: "the database does not answer; nothing of this request was kept, try again later",
    StoreUnusableError: "the database cannot be used; nothing of this request was kept, the server's log says why",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MOST_ERRORS, MOST_NAME = 20, 200  # errors told at once, characters of a field's name; both may be the caller's
log = logging.getLogger(__name__)


class FieldError(BaseModel):
    """One field of the request that is wrong."""

    field: str
    detail: str


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default_factory=list)

    model_config = {
        "json_schema_extra": {
            "examples": [
                {"type": "about:blank", "title": "Not found", "status": 404, "detail": "there is no study 'mine'"}
            ]
        }
    }


class ProblemError(Exception):
    """A refusal whose status, title and detail are known where it is raised."""

    def __init__(
        self, status: int, detail: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.field, self.headers = status, detail, field, dict(headers or {})


def problem(
    status: int, detail: str, *, errors: list[FieldError] | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return a problem as a response."""
    body = Problem(title=TITLES.get(status, "Error"), status=status, detail=detail, errors=errors or [])
    return JSONResponse(
        readable_data(body.model_dump()), status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {})
    )


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:  # Any: FastAPI's own shape
    """Return the documentation of the problems that an operation answers with."""
    return {
        status: {"description": TITLES[status], "model": Problem, "content": {MEDIA_TYPE: {}}} for status in statuses
    }


def handle_problems(app: FastAPI) -> None:
    """Have the app answer every error with a problem."""
    app.add_exception_handler(ProblemError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    for kind in STATUS:
        app.add_exception_handler(kind, _expected)
    app.add_exception_handler(Exception, _unexpected)


async def _known(_: Request, error: Exception) -> JSONResponse:
    refusal = cast("ProblemError", error)
    errors = [FieldError(field=refusal.field, detail=refusal.detail)] if refusal.field else []
    return problem(refusal.status, refusal.detail, errors=errors, headers=refusal.headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    wrong = cast("RequestValidationError", error).errors()
    found = [_field_error(e["loc"], e["msg"]) for e in wrong[:MOST_ERRORS]]
    is_json = any(e["type"] == "json_invalid" for e in wrong)
    return problem(400 if is_json else 422, "; ".join(f"{e.field}: {e.detail}" for e in found), errors=found)


def _field_error(place: Sequence[str | int], message: str) -> FieldError:
    field = ".".join(map(str, place[1:])) or str(place[0])
    return FieldError(field=field[:MOST_NAME], detail=message.removeprefix("Value error, "))


async def _refused(request: Request, error: Exception) -> JSONResponse:
    refusal = cast("HTTPException", error)
    headers = dict(refusal.headers or {})
    if refusal.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return problem(refusal.status_code, str(refusal.detail), headers=headers)


def _methods(request: Request) -> set[str]:
    """Return the methods of all routes of a path; Starlette names those of the first alone."""
    return {method for method in METHODS if _is_served({**request.scope, "method": method}, request.app.routes)}


def _is_served(scope: Scope, routes: Sequence[BaseRoute]) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in routes)


async def _expected(_: Request, error: Exception) -> JSONResponse:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    for_the_caller = next((FOR_THE_LOG[kind] for kind in type(error).__mro__ if kind in FOR_THE_LOG), None)
    if for_the_caller is not None:
        log.error("%s", error)
        return problem(status, for_the_caller)
    field = getattr(error, "field", None)
    errors = [FieldError(field=field, detail=str(error))] if field else []
    headers = {"Retry-After": str(ceil(error.retry_after_s))} if isinstance(error, OverQuotaError) else {}
    return problem(status, str(error), errors=errors, headers=headers)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "the server failed; its log says why")
