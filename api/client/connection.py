"""Connections: who performs the steps of plans, blocking or not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing

import httpx

from api.client.calls import base_url
from api.client.plans import Emit, Open, Pause, Plan, Read, Send, Walk


class Connection:
    """A blocking connection to a server. Threads may share one."""

    def __init__(self, url: str, *, api_key: str | None, timeout: float) -> None:
        self._http = httpx.Client(base_url=base_url(url), headers=_credentials(api_key), timeout=timeout)

    def items(self, plan: Plan[None]) -> Iterator[object]:
        """Perform a plan and yield what it emits."""
        with closing(Walk(plan)) as walk, closing(Exchange(self._http)) as exchange:
            while (step := walk.step) is not None:
                match step:
                    case Emit(item):
                        yield item
                        walk.tell(None)
                    case Pause(seconds):
                        time.sleep(seconds)
                        walk.tell(None)
                    case _:
                        try:
                            given = exchange.perform(step)
                        except httpx.RequestError as error:
                            walk.fail(error)
                        else:
                            walk.tell(given)

    def close(self) -> None:
        """Close what is open."""
        self._http.close()


class Exchange:
    """What one plan sends, and the one answer whose body it reads in parts."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._opened: httpx.Response | None = None
        self._parts: Iterator[bytes] = iter(())

    def perform(self, step: Send | Open | Read) -> httpx.Response | bytes | None:
        """Perform a step. Raises `httpx.RequestError`."""
        match step:
            case Send(call):
                return self._http.send(call.request(self._http))
            case Open(call):
                self.close()
                self._opened = self._http.send(call.request(self._http), stream=True)
                if self._opened.is_error:
                    self._opened.read()
                self._parts = self._opened.iter_bytes()
                return self._opened
            case Read():
                return next(self._parts, None)

    def close(self) -> None:
        """Close the answer that is open."""
        if self._opened is not None:
            self._opened.close()


class AsyncConnection:
    """A connection to a server that does not block the event loop."""

    def __init__(self, url: str, *, api_key: str | None, timeout: float) -> None:
        self._http = httpx.AsyncClient(base_url=base_url(url), headers=_credentials(api_key), timeout=timeout)

    async def items(self, plan: Plan[None]) -> AsyncIterator[object]:
        """Perform a plan and yield what it emits."""
        async with aclosing(AsyncExchange(self._http)) as exchange:
            with closing(Walk(plan)) as walk:
                while (step := walk.step) is not None:
                    match step:
                        case Emit(item):
                            yield item
                            walk.tell(None)
                        case Pause(seconds):
                            await asyncio.sleep(seconds)
                            walk.tell(None)
                        case _:
                            try:
                                given = await exchange.perform(step)
                            except httpx.RequestError as error:
                                walk.fail(error)
                            else:
                                walk.tell(given)

    async def close(self) -> None:
        """Close what is open."""
        await self._http.aclose()


class AsyncExchange:
    """`Exchange` without blocking."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._opened: httpx.Response | None = None
        self._parts: AsyncIterator[bytes] | None = None

    async def perform(self, step: Send | Open | Read) -> httpx.Response | bytes | None:
        """Perform a step. Raises `httpx.RequestError`."""
        match step:
            case Send(call):
                return await self._http.send(call.request(self._http))
            case Open(call):
                await self.aclose()
                self._opened = await self._http.send(call.request(self._http), stream=True)
                if self._opened.is_error:
                    await self._opened.aread()
                self._parts = self._opened.aiter_bytes()
                return self._opened
            case Read():
                return None if self._parts is None else await anext(self._parts, None)

    async def aclose(self) -> None:
        """Close the answer that is open."""
        if self._opened is not None:
            await self._opened.aclose()


def _credentials(api_key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}
