"""What no request may do to the server: talk without end beside its body."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

import pytest
import uvicorn

from api.http.protocol import MOST_OVERHEAD, bounded

MOST = 8
PATIENCE_S = 120.0
PIECE = b"a" * 4096
ENDLESS = {
    "a request line": (b"GET /", PIECE),
    "one header": (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", PIECE),
    "headers": (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X: " + PIECE + b"\r\n"),
    "trailers": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: " + PIECE + b"\r\n"),
    "a chunk's extension": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;x=", PIECE),
}


async def length_of_body(scope: dict, receive: object, send: object) -> None:
    """Answer with how much came."""
    body, more = 0, True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        body += len(message.get("body", b""))
    if scope["path"] == "/large":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for more in [True] * 200 + [False]:
            await send({"type": "http.response.body", "body": b"z" * 10**6, "more_body": more})
        return
    answer = str(body).encode()
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


@contextmanager
def serving(**limits: float) -> Iterator[uvicorn.Server]:
    """Have a server in a thread."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(
                length_of_body,
                port=listening.getsockname()[1],
                http=bounded(most_connections=MOST, **limits),
                log_level="critical",
                lifespan="off",
                timeout_keep_alive=600,  # longer than any test waits: it ends nothing here
            )
        )
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield server
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def hasty() -> Iterator[uvicorn.Server]:
    """A server that waits for little."""
    with serving(head_s=0.5, message_s=0.7, write_s=0.5) as server:
        yield server


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a server that waits longer than any test lasts, however busy the machine is."""
    with serving(head_s=600, message_s=600, write_s=600) as server:
        yield server.config.port


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


@pytest.mark.parametrize("what", ENDLESS)
def test_a_connection_that_never_comes_to_an_end_is_closed(port: int, what: str) -> None:
    begin, more = ENDLESS[what]
    sent = 0
    with connected(port) as connection, pytest.raises(OSError):
        connection.sendall(begin)
        while sent < 100 * MOST_OVERHEAD:
            connection.sendall(more)
            sent += len(more)
    assert sent < 100 * MOST_OVERHEAD


def test_bodies_may_be_long_and_connections_live_long(port: int) -> None:
    body = b"b" * (10 * MOST_OVERHEAD)
    head = f"POST / HTTP/1.1\r\nHost: x\r\nX: {'y' * 2000}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with connected(port) as connection:
        for _ in range(MOST_OVERHEAD // len(head) + 3):
            connection.sendall(head + body)
            answer = b""
            while not answer.endswith(str(len(body)).encode()):
                answer += connection.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200")


UNFINISHED = {
    "nothing": b"",
    "half a request line": b"GET /",
    "half a head": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "half a body": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12",
    "half a chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12",
    "empty lines": b"\r\n",
    "a request and half the next": b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT",
    "a request and half the next's body": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12",
}


def test_what_is_left_unfinished_is_not_waited_for(hasty: uvicorn.Server) -> None:
    with ExitStack() as stack:
        connections = {what: stack.enter_context(connected(hasty.config.port)) for what in UNFINISHED}
        for what, connection in connections.items():
            connection.sendall(UNFINISHED[what])
        for what, connection in connections.items():
            answer = b"".join(iter(partial(connection.recv, 4096), b""))  # to the end of the stream
            assert answer.count(b"HTTP/1.1 200 ") == what.startswith("a request"), what  # what is whole is answered


def test_a_client_that_reads_nothing_is_let_go(hasty: uvicorn.Server) -> None:
    with connected(hasty.config.port) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: bool(hasty.server_state.connections))
        wait_until(lambda: not hasty.server_state.connections)
        got = 0
        with suppress(OSError):  # some systems say that the connection was reset
            while part := connection.recv(10**6):
                got += len(part)
        assert got < 200 * 10**6


def wait_until(holds: Callable[[], bool]) -> None:
    over = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < over, "waited too long"
        time.sleep(0.01)


def test_too_many_connections_are_told_and_noted(port: int, caplog: pytest.LogCaptureFixture) -> None:
    held = [connected(port) for _ in range(MOST)]
    try:
        with connected(port) as one_more:
            assert b"503" in one_more.recv(4096)
        assert "8 connections" in caplog.text or "9 connections" in caplog.text
    finally:
        for connection in held:
            connection.close()
    wait_until(lambda: is_let_in(port))


def is_let_in(port: int) -> bool:
    with connected(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_what_is_no_http_is_a_problem(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"hello\r\n\r\n")
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
