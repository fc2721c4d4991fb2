"""Load on a server: keep-alive clients that ask one thing over and over, with next to no cost of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that is asked, with headers, and the status that is expected."""

    url: str
    status: int = 200
    headers: Mapping[str, str] | None = None

    def request(self) -> bytes:
        """Return the request as it goes over the wire."""
        parts = urlsplit(self.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {parts.netloc}",
            *(f"{k}: {v}" for k, v in (self.headers or {}).items()),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def ask(target: Target, *, clients: int, requests: int) -> list[float]:
    """Return the seconds of `requests` answers to so many clients at once. Raises `RuntimeError` for another status."""
    return asyncio.run(_ask(target, clients, requests))


async def _ask(target: Target, clients: int, requests: int) -> list[float]:
    shares = await asyncio.gather(*(_client(target, requests // clients) for _ in range(clients)))
    return [seconds for share in shares for seconds in share]


async def _client(target: Target, requests: int) -> list[float]:
    parts = urlsplit(target.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    request, taken = target.request(), []
    for _ in range(requests):
        started = time.perf_counter()
        writer.write(request)
        await _read_answer(reader, target)
        taken.append(time.perf_counter() - started)
    writer.close()
    return taken


async def _read_answer(reader: asyncio.StreamReader, target: Target) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    if status != target.status:
        raise RuntimeError(f"{target.url} answered {status}, not {target.status}")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(LENGTH):
            await reader.readexactly(int(line[len(LENGTH) :]))
