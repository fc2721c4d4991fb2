"""Answers: requests retried until they are answered, and answers parsed into the server's models."""

from __future__ import annotations

from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from api.client.calls import Call
from api.client.errors import (
    ApiError,
    ClientError,
    TooManyError,
    UnavailableError,
    UnexpectedAnswerError,
    UnreachableError,
    error_of,
)
from api.client.patience import Patience
from api.client.plans import Open, Pause, Plan, Read, Send
from api.http.problems import Problem

Model = TypeVar("Model", bound=BaseModel)
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def answered(call: Call, patience: Patience) -> Plan[httpx.Response]:
    """Send a call until it is answered. Raises `ApiError`, or `UnreachableError` when patience ends.

    A call that may have reached the server is sent again only if a repetition is harmless.
    """
    for pause in patience.pauses(patience.tries - 1):
        try:
            return (yield from attempted(Send(call)))
        except ClientError as error:
            if not _may_repeat(call, error, patience):
                raise
            asked = error.retry_after_s
        yield Pause(max(pause, asked))
    return (yield from attempted(Send(call)))


def attempted(step: Send | Open) -> Plan[httpx.Response]:
    """Send a call once. Raises `ApiError`, `UnreachableError`."""
    try:
        response: httpx.Response = yield step
    except httpx.RequestError as error:
        raise unreachable(error, was_sent=not isinstance(error, NEVER_SENT)) from error
    if response.status_code >= 400:
        raise refusal(response)
    return response


def next_part() -> Plan[bytes | None]:
    """Read the next part of the open answer. Raises `UnreachableError` if it breaks off."""
    try:
        part: bytes | None = yield Read()
    except httpx.RequestError as error:
        raise unreachable(error, was_sent=True) from error
    return part


def parsed(response: httpx.Response, model: type[Model]) -> Model:
    """Read an answer. Raises `UnexpectedAnswerError` for any other content."""
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        where = response.request.url.copy_with(query=None)
        raise UnexpectedAnswerError(
            f"{where} answered {response.status_code} with something else than expected; "
            "check that it is this service, and of the client's version"
        ) from error


def refusal(response: httpx.Response) -> ApiError:
    """Return the error for a refusal, which may come from a proxy in between."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        reason = response.reason_phrase or "Error"
        where = response.request.url.copy_with(query=None)
        problem = Problem(title=reason, status=response.status_code, detail=f"{where}: {response.status_code} {reason}")
    asked = response.headers.get("Retry-After", "")
    return error_of(problem, retry_after_s=float(asked) if asked.isascii() and asked.isdecimal() else 0.0)


def unreachable(error: httpx.RequestError, *, was_sent: bool) -> UnreachableError:
    """Return the error for a connection that failed."""
    url = error.request.url
    reason = str(error) or type(error).__name__
    return UnreachableError(
        f"{url.scheme}://{url.netloc.decode('ascii')} does not answer ({reason}); is the server running, and the URL "
        "right?",
        was_sent=was_sent,
    )


def _may_repeat(call: Call, error: ClientError, patience: Patience) -> bool:
    if isinstance(error, UnreachableError):
        return call.is_repeatable or not error.was_sent
    if isinstance(error, TooManyError):
        return error.retry_after_s <= patience.asked_for_s
    return isinstance(error, UnavailableError) and call.is_repeatable
