"""Plans: what a method of the client does, written once for the blocking and the asynchronous client.

A plan is a generator. It yields steps, is sent what each of them gave, and returns its result or emits items. Who
performs the steps, blocking or not, is decided elsewhere. A step that fails for want of a
connection raises `httpx.RequestError` inside the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from api.client.calls import Call

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request; gives the answer, read to its end."""

    call: Call


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request; gives the answer, whose body is read in parts unless it is a refusal."""

    call: Call


@dataclass(frozen=True, slots=True)
class Read:
    """Gives the next bytes of what was opened last, None at its end."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Emit:
    """Yield an item."""

    item: object


Step = Send | Open | Read | Pause | Emit
Plan = Generator[Step, Any, Result]  # Any: what the step gives


class Walk:
    """A running plan; `step` is its present step, None once it has ended."""

    def __init__(self, plan: Plan[Any]) -> None:
        self._plan = plan
        self.step = _next(plan.send, None)

    def tell(self, given: object) -> None:
        """Continue with the step's result."""
        self.step = _next(self._plan.send, given)

    def fail(self, error: httpx.RequestError) -> None:
        """Continue after a failed step."""
        self.step = _next(self._plan.throw, error)

    def close(self) -> None:
        """End the plan early."""
        self._plan.close()


def emitted(plan: Plan[Any]) -> Plan[None]:
    """Return a plan that emits the result of another."""
    yield Emit((yield from plan))


def heard(plan: Plan[None], listener: Callable[[Any], None]) -> Plan[None]:
    """Return a plan that tells a listener what another emits."""
    walk = Walk(plan)
    while walk.step is not None:
        if isinstance(walk.step, Emit):
            listener(walk.step.item)
            walk.tell(None)
            continue
        try:
            given = yield walk.step
        except httpx.RequestError as error:
            walk.fail(error)
        else:
            walk.tell(given)


def _next(advance: Callable[[Any], Step], given: object) -> Step | None:
    try:
        return advance(given)
    except StopIteration:
        return None
