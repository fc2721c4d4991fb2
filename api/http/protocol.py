"""HTTP as it is read from the wire: by httptools, with an end to what is not a body."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_OVERHEAD = 64 * 1024  # bytes of a request beside its body; the guard refuses shorter heads, once they are whole


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose request line, headers, chunk framing or trailers have no end.

    httptools itself keeps all of an unfinished header in memory, however long.
    """

    _overhead = 0

    def data_received(self, data: bytes) -> None:
        """Read more of a request."""
        self._overhead += len(data)
        super().data_received(data)
        if self._overhead > MOST_OVERHEAD and not self.transport.is_closing():
            self._refuse()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; how much of it is read is the guard's to say."""
        self._overhead -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request: the next one begins at nothing."""
        self._overhead = 0
        super().on_message_complete()

    def _refuse(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.send_400_response(f"at most {MOST_OVERHEAD} bytes of headers are read")
        else:
            self.transport.close()  # an answer may have begun
