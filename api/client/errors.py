"""Errors of the client: refusals by the server, failed connections, and studies that did not complete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # these models bring FastAPI along, which code that only catches errors should not wait for
    from api.http.models import StudyView
    from api.http.problems import FieldError, Problem


class ClientError(Exception):
    """Root of the client's own errors. `retry_after_s` is the pause that the server asked for."""

    retry_after_s: float = 0.0


class UnreachableError(ClientError):
    """No answer came. `was_sent` says whether the request may have reached the server."""

    def __init__(self, text: str, *, was_sent: bool) -> None:
        super().__init__(text)
        self.was_sent = was_sent


class UnexpectedAnswerError(ClientError):
    """An answer of another program, or of another version of this service."""


class ApiError(ClientError):
    """The server's refusal: `status`, `title`, `detail`, and in `errors` the fields at fault."""

    def __init__(self, problem: Problem, *, retry_after_s: float = 0.0) -> None:
        super().__init__(problem.detail)
        self.status: int = problem.status
        self.title: str = problem.title
        self.detail: str = problem.detail
        self.errors: tuple[FieldError, ...] = tuple(problem.errors)
        self.retry_after_s = retry_after_s


class UnauthorizedError(ApiError):
    """The key is missing, unknown or revoked."""


class ForbiddenError(ApiError):
    """The key's scope, or what the operator allows, does not cover the request."""


class NotFoundError(ApiError, LookupError):
    """There is no such study, candidate, export, model or task, or it belongs to another key."""


class ConflictError(ApiError):
    """The study is in a state that does not permit this, or its name is taken."""


class InvalidError(ApiError, ValueError):
    """A field has an invalid value."""


class TooManyError(ApiError):
    """More requests than the server answers in a minute."""


class ServerError(ApiError):
    """The server failed."""


class UnavailableError(ServerError):
    """The server, or its database, cannot answer just now."""


class StudyEndedError(ClientError):
    """A study that was waited for ended without a result; `study` is its present state."""

    def __init__(self, text: str, study: StudyView) -> None:
        super().__init__(text)
        self.study = study


class StudyFailedError(StudyEndedError):
    """The study failed; the text gives the reason."""


class StudyCancelledError(StudyEndedError):
    """The study was cancelled; its results are kept."""


class ExportFailedError(ClientError):
    """The server could not write the candidate; the text gives the reason."""


class PurchaseFailedError(ClientError):
    """The server could not begin to buy labels with these texts; the text gives the reason."""


BY_STATUS: Mapping[int, type[ApiError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidError,
    429: TooManyError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


def error_of(problem: Problem, *, retry_after_s: float = 0.0) -> ApiError:
    """Return the error that a problem is raised as."""
    kind = BY_STATUS.get(problem.status, ServerError if problem.status >= 500 else ApiError)
    return kind(problem, retry_after_s=retry_after_s)
