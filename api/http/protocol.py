"""HTTP read by httptools, with a time limit on everything that a client may leave unfinished."""

from __future__ import annotations

import logging
import time
from asyncio import TimerHandle, Transport
from typing import ClassVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.http.problems import problem

MOST_OVERHEAD = 64 * 1024  # bytes of a request besides its body; the guard refuses shorter heads, once they are whole
TOLD_EVERY_S = 10.0
log = logging.getLogger(__name__)


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose request does not end, or whose client does not read the answer.

    httptools itself keeps all of an unfinished header in memory, however long and for however long.
    """

    head_s: ClassVar[float] = 15.0  # for the request line and headers, from the first byte or the connection on
    message_s: ClassVar[float] = 60.0  # for the whole of a request; the guard waits less long for a body
    write_s: ClassVar[float] = 60.0  # in which a client takes nothing of an answer
    most_connections: ClassVar[int] = 1000
    _told_at: ClassVar[float] = float("-inf")
    _overhead = 0
    _reading: TimerHandle | None = None
    _writing: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Wait for a head, or turn the client away if there are too many connections."""
        super().connection_made(transport)
        self._expect(self.head_s)
        if len(self.connections) > self.most_connections:
            self._tell_of_crowd()
            self._answer(503, f"at most {self.most_connections} connections are held; try again later")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop every clock."""
        self._expect(None)
        self._await_reader(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read more of a request."""
        self._begin_head()
        self._overhead += len(data)
        super().data_received(data)
        if self._overhead > MOST_OVERHEAD and not self.transport.is_closing():
            self._refuse(f"at most {MOST_OVERHEAD} bytes of headers are read")

    def on_message_begin(self) -> None:
        """Give a head its time, even one that arrives together with the end of the request before it."""
        self._begin_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Give the rest of the request its time."""
        self._expect(self.message_s)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; the guard limits its size."""
        self._overhead -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request: the next one starts with fresh limits."""
        self._overhead = 0
        self._expect(None)
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Give the client time to take what was sent."""
        self._await_reader(self.write_s)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Continue: the client reads again."""
        self._await_reader(None)
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is not HTTP."""
        self._answer(400, msg)

    def _begin_head(self) -> None:
        if self._reading is None:
            self._expect(self.head_s)

    def _expect(self, seconds: float | None) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._reading = None if seconds is None else self.loop.call_later(seconds, self._refuse, "too slow", 408)

    def _await_reader(self, seconds: float | None) -> None:
        if self._writing is not None:
            self._writing.cancel()
        self._writing = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def _refuse(self, why: str, status: int = 400) -> None:
        self._reading = None
        if self.cycle is None or self.cycle.response_complete:
            self._answer(status, why)
        else:
            self.transport.close()  # an answer may have begun

    def _answer(self, status: int, detail: str) -> None:
        answer = problem(status, detail, headers={"Connection": "close"})
        lines = [b"HTTP/1.1 %d \r\n" % status, *(b"%s: %s\r\n" % header for header in answer.raw_headers), b"\r\n"]
        self.transport.write(b"".join(lines) + bytes(answer.body))
        self.transport.close()

    def _tell_of_crowd(self) -> None:
        kind, now = type(self), time.monotonic()
        if now - kind._told_at >= TOLD_EVERY_S:
            kind._told_at = now
            log.warning("%d connections are open, no more are held; the next are answered 503", len(self.connections))


def bounded(**limits: float) -> type[BoundedProtocol]:
    """Return the protocol with other limits, by name."""
    return cast("type[BoundedProtocol]", type("Bounded", (BoundedProtocol,), limits))
