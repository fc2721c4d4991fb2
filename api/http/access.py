"""Access: who asks, and what they may do. Without any key the server is for this machine alone, and all may be done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from api.http.problems import ProblemError
from api.http.state import Shared, State
from studies.keys import Scope
from studies.records import Study

INCLUDES: Mapping[Scope, frozenset[Scope]] = {  # by scope, the scopes that have the right to it
    Scope.READ: frozenset(Scope),
    Scope.WRITE: frozenset({Scope.WRITE, Scope.ADMIN}),
    Scope.ADMIN: frozenset({Scope.ADMIN}),
}
COOKIE = "optimize_key"  # holds the key of a browser that logged in; no script can read it
bearer = HTTPBearer(auto_error=False, description="An API key, as `optimize keys add` prints it once.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an API key, or whoever sits at this machine where there are no keys."""

    key: str | None
    scopes: frozenset[Scope]

    @property
    def sees_all(self) -> bool:
        """Whether studies of others are shown."""
        return self.key is None or Scope.ADMIN in self.scopes

    def may_see(self, study: Study) -> bool:
        """Whether the study is the caller's own, or the caller sees all."""
        return self.sees_all or study.owner == self.key


EVERYBODY = Caller(None, frozenset(Scope))


async def caller_of(state: State, secret: str | None) -> Caller:
    """Return who asks. Raises 401 for a missing, unknown or revoked key where there are keys."""
    if not await state.has_keys():
        return EVERYBODY
    key = await run_in_threadpool(state.service.keys.find, secret) if secret else None
    if key is None:
        raise ProblemError(401, "give a valid API key as a bearer token", headers={"WWW-Authenticate": "Bearer"})
    return Caller(key.id, key.scopes)


Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
Check = Callable[[Request, Credentials], Awaitable[Caller]]


def require(scope: Scope) -> Check:
    """Return a dependency that answers 403 to whoever lacks the scope."""

    async def check(request: Request, credentials: Credentials) -> Caller:
        return await admitted(request, credentials, scope)

    return check


async def admitted(request: Request, credentials: HTTPAuthorizationCredentials | None, scope: Scope) -> Caller:
    """Return who asks, by bearer token or cookie. Raises 401 and, for whoever lacks the scope, 403."""
    secret = credentials.credentials if credentials else request.cookies.get(COOKIE)
    caller = await caller_of(request.app.state.shared, secret)
    if not caller.scopes & INCLUDES[scope]:
        raise ProblemError(403, f"{request.method} here needs a key of scope {scope.value!r}")
    return caller


Reader = Annotated[Caller, Depends(require(Scope.READ))]
Writer = Annotated[Caller, Depends(require(Scope.WRITE))]


def _named(name: str, state: Shared, caller: Reader) -> Study:
    return study_for(state, caller, name)


def study_for(state: State, caller: Caller, name: str) -> Study:
    """Return a study by name or number. Others' studies do not exist for the caller: 404, as for an unknown one."""
    study = state.service.store.study(name)
    if not caller.may_see(study):
        raise ProblemError(404, f"there is no study {name!r}")
    return study


NamedStudy = Annotated[Study, Depends(_named)]
