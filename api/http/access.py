"""Access: who asks, and what they may do. Without keys the server serves this machine alone and allows everything."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from api.http.problems import ProblemError
from api.http.state import Shared, State
from optimizer.logs import add_about
from studies.keys import ALL, Scope
from studies.records import Study
from studies.rules import checked_slug
from studies.store import StoreError

INCLUDES: Mapping[Scope, frozenset[Scope]] = {  # by scope, the scopes that have the right to it
    Scope.READ: frozenset(Scope),
    Scope.WRITE: frozenset({Scope.WRITE, Scope.ADMIN}),
    Scope.ADMIN: frozenset({Scope.ADMIN}),
}
COOKIE = "optimize_key"  # holds the key of a browser that logged in; no script can read it
LONGEST_NAME, LONGEST_HANDLE = 80, 40  # characters of a study's full name, and of the part after its '@'
LOOKED_AGAIN_S = 5.0
log = logging.getLogger(__name__)
bearer = HTTPBearer(auto_error=False, description="An API key, as `optimize keys add` prints it once.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an API key, or anyone at this machine if there are no keys."""

    key: str | None
    scopes: frozenset[Scope]
    owners: frozenset[str] = frozenset()
    handle: str | None = None

    @property
    def is_master(self) -> bool:
        """Whether the caller owns the studies of others too."""
        return self.key is None or Scope.ADMIN in self.scopes

    @property
    def seen(self) -> frozenset[str] | None:
        """The ids of the keys whose studies are shown; None for all."""
        return None if self.key is None or self.is_master or ALL in self.owners else self.owners | {self.key}

    def may_see(self, study: Study) -> bool:
        """Whether the study is shown to the caller."""
        return self.seen is None or study.owner in self.seen

    def may_change(self, study: Study) -> bool:
        """Whether the study is the caller's own, or all are."""
        return self.is_master or study.owner == self.key

    def full_name(self, name: str) -> str:
        """Return the name that a study of the caller's is stored under: it never collides with another key's.

        Raises `StudySlugError`, and `ProblemError` 422 for one that is too long or reads like a full name.
        """
        full = f"{checked_slug(name)}{self.suffix}"
        if "@" in name or len(full) > LONGEST_NAME:
            most = LONGEST_NAME - len(self.suffix)
            raise ProblemError(422, f"name: take at most {most} characters, and no '@'", field="name")
        return full

    @property
    def suffix(self) -> str:
        """What follows a name in the full name of a study of the caller's."""
        return f"@{self.handle}" if self.handle else ""

    def readings(self, name: str) -> tuple[str, ...]:
        """Return the full names that a name may mean, the caller's own first."""
        return (f"{name}{self.suffix}", name) if self.suffix else (name,)


EVERYBODY = Caller(None, frozenset(Scope))


async def caller_of(state: State, secret: str | None) -> Caller:
    """Return who asks. Raises 401 for a missing, unknown or revoked key where there are keys."""
    if not await state.has_keys():
        return EVERYBODY
    key = await run_in_threadpool(state.service.keys.find, secret) if secret else None
    if key is None:
        raise ProblemError(401, "give a valid API key as a bearer token", headers={"WWW-Authenticate": "Bearer"})
    handle = key.name if len(key.name) <= LONGEST_HANDLE else key.id
    return Caller(key.id, key.scopes, key.owners, handle)


class Stay:
    """A caller with an open connection, such as one who follows events: the key is checked again every few seconds."""

    def __init__(self, state: State, caller: Caller) -> None:
        self._state, self._caller, self._looked_at = state, caller, time.monotonic()

    async def may_go_on(self) -> bool:
        """Whether the key is still valid, or, for a caller without one, whether there is still no key."""
        now = time.monotonic()
        if now - self._looked_at < LOOKED_AGAIN_S:
            return True
        self._looked_at = now
        try:
            if self._caller.key is None:
                return not await self._state.has_keys()
            return await run_in_threadpool(self._state.service.keys.is_valid, self._caller.key)
        except StoreError as error:  # it is away for a while; what happens then cannot be told either
            log.warning("a key cannot be looked at: %s", error)
            return True


Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
Check = Callable[[Request, Credentials], Awaitable[Caller]]


def require(scope: Scope) -> Check:
    """Return a dependency that answers 403 to callers without the scope."""

    async def check(request: Request, credentials: Credentials) -> Caller:
        return await admitted(request, credentials, scope)

    return check


async def admitted(request: Request, credentials: HTTPAuthorizationCredentials | None, scope: Scope) -> Caller:
    """Return who asks, by bearer token or cookie. Raises 401, and 403 for callers without the scope."""
    secret = credentials.credentials if credentials else request.cookies.get(COOKIE)
    caller = await caller_of(request.app.state.shared, secret)
    if not caller.scopes & INCLUDES[scope]:
        raise ProblemError(403, f"{request.method} here needs a key of scope {scope.value!r}")
    return caller


Reader = Annotated[Caller, Depends(require(Scope.READ))]
Writer = Annotated[Caller, Depends(require(Scope.WRITE))]


def _named(name: str, state: Shared, caller: Reader) -> Study:
    return study_for(state, caller, name)


def study_for(state: State, caller: Caller, name: str, *, changes: bool = False) -> Study:
    """Return a study by name, full name or number; with `changes`, to change it.

    Raises `ProblemError`: 404 for one that the caller may not see, worded as for one that does not exist, and 403
    for one that the caller may only read. A caller who sees everything also gets similar names.
    """
    for full_name in caller.readings(name):
        study = state.service.find(full_name)
        if study is not None and caller.may_see(study):
            add_about(study=study.id)
            if changes and not caller.may_change(study):
                raise ProblemError(403, f"study {name!r} is another key's; yours may only read it")
            return study
    if caller.seen is None:
        return state.service.store.study(name)  # raises with the nearest names
    raise ProblemError(404, f"there is no study {name[:LONGEST_NAME]!r}")


NamedStudy = Annotated[Study, Depends(_named)]
