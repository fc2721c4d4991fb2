"""The guard: what is refused before any route sees it. Plain ASGI, so that streams pass through undisturbed."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from ipaddress import IPv6Network
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.bodies import why_not_json
from api.http.problems import problem
from api.http.settings import Settings

MOST_HEADERS, MOST_HEADER_BYTES = 100, 32 * 1024
CHANGES = ("POST", "PUT", "PATCH", "DELETE")
WINDOW_S = 60.0
MOST_DIGITS = 18  # of a length
UNREAD = (408, 413)  # the rest of such a body would only keep the connection
_BRINGS_FILE = re.compile(r"/v1/studies/[^/]+/(purchases|labels/file)")
REMEMBERED = 10_000  # callers whose requests are counted
SECURITY = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
MARKS = [(name.lower().encode(), value.encode()) for name, value in SECURITY.items()]


class Guard:
    """Checks Host, Origin, sizes and rates of every request, and marks every answer."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None and scope["method"] in CHANGES:
            try:
                async with asyncio.timeout(self._settings.body_timeout_s):
                    body = await _read(receive, self._most(scope))
            except TimeoutError:
                refusal = 408, f"a body must be here within {self._settings.body_timeout_s:g} s"
            else:
                receive = _replayed(body or b"", receive)
                refusal = self._too_large(scope) if body is None else _unlike_json(body)
        if refusal is None:
            await self._app(scope, receive, _marked(send))
            return
        status, detail = refusal
        retry = {"Retry-After": str(int(WINDOW_S))} if status == 429 else {}
        unread = {"Connection": "close"} if status in UNREAD else {}
        await problem(status, detail, headers=retry | unread)(scope, receive, _marked(send))

    def _too_large(self, scope: Scope) -> tuple[int, str]:
        return 413, f"a body may have {self._most(scope)} bytes"

    def _most(self, scope: Scope) -> int:
        brings_file = _BRINGS_FILE.fullmatch(scope["path"]) is not None
        return self._settings.max_file_bytes if brings_file else self._settings.max_body_bytes

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        raw = scope["headers"]
        if len(raw) > MOST_HEADERS or sum(len(k) + len(v) for k, v in raw) > MOST_HEADER_BYTES:
            return 431, f"at most {MOST_HEADERS} headers of {MOST_HEADER_BYTES} bytes in all are read"
        host = headers.get("host", "")
        if len(headers.getlist("host")) > 1:
            return 400, "a request names one Host; a proxy and the server may each believe another"
        if not self._is_known(host):
            return (
                421,
                f"this server does not answer for host {host[:100]!r}; the operator may add it with --allow-host",
            )
        if scope["method"] in CHANGES:
            refusal = self._refuse_change(scope, headers, host)
            if refusal is not None:
                return refusal
        return self._refuse_rate(scope)

    def _is_known(self, host: str) -> bool:
        name = host if host.endswith("]") else host.rpartition(":")[0] if ":" in host else host
        return name.lower() in self._settings.hosts

    def _refuse_change(self, scope: Scope, headers: Headers, host: str) -> tuple[int, str] | None:
        origin = headers.get("origin")
        if origin is not None and _host_of(origin) != host.lower():
            return 403, f"a change must come from this server's own pages, not from {origin[:100]!r}"
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit() and len(length) <= MOST_DIGITS):
            return 400, "Content-Length is not a number"
        if int(length) > self._most(scope):
            return self._too_large(scope)
        has_body = int(length) > 0 or "transfer-encoding" in headers
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        if has_body and media != "application/json":
            return 415, "send the body as application/json"
        return None

    def _refuse_rate(self, scope: Scope) -> tuple[int, str] | None:
        who = _network_of(str((scope.get("client") or ("",))[0]))  # not the key: a guesser of keys has many
        now = time.monotonic()
        began, count = self._counts.pop(who, (now, 0))
        if now - began >= WINDOW_S:
            began, count = now, 0
        self._counts[who] = began, count + 1
        while len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)
        if count >= self._settings.requests_per_minute:
            return 429, f"at most {self._settings.requests_per_minute} requests a minute are answered"
        return None


def _network_of(address: str) -> str:
    """Return the part of an address that a caller cannot choose: an IPv4 address, the first 64 bits of an IPv6 one."""
    try:
        return str(IPv6Network((address, 64), strict=False))
    except ValueError:
        return address


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # of brackets that do not match
        return None


def _unlike_json(body: bytes) -> tuple[int, str] | None:
    why = why_not_json(body)
    return (400, why) if why else None


async def _read(receive: Receive, most: int) -> bytes | None:
    """Return the whole body, or None as soon as it is longer than `most`, regardless of the announced length."""
    body, more = b"", True
    while more and len(body) <= most:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body if len(body) <= most else None


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body first, then the rest."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _marked(send: Send) -> Send:
    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(mark for mark in MARKS if mark[0] not in given)]
        await send(message)

    return marked
