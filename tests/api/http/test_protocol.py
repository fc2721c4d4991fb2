"""What no request may do to the server: talk without end beside its body."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import uvicorn

from api.http.protocol import MOST_OVERHEAD, bounded

MOST = 8
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


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(
                length_of_body,
                http=bounded(head_s=0.5, message_s=0.7, write_s=0.5, most_connections=MOST),
                log_level="critical",
                lifespan="off",
                timeout_keep_alive=60,  # longer than any test waits: it ends nothing here
            )
        )
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize("what", ENDLESS)
def test_a_connection_that_never_comes_to_an_end_is_closed(port: int, what: str) -> None:
    begin, more = ENDLESS[what]
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection, pytest.raises(OSError):
        connection.sendall(begin)
        while sent < 100 * MOST_OVERHEAD:
            connection.sendall(more)
            sent += len(more)
    assert sent < 100 * MOST_OVERHEAD


def test_bodies_may_be_long_and_connections_live_long(port: int) -> None:
    body = b"b" * (10 * MOST_OVERHEAD)
    head = f"POST / HTTP/1.1\r\nHost: x\r\nX: {'y' * 2000}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
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


@pytest.mark.parametrize("what", UNFINISHED)
def test_what_is_left_unfinished_is_not_waited_for(port: int, what: str) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(UNFINISHED[what])
        answer = b"".join(iter(lambda: connection.recv(4096), b""))  # to the end of the stream, within the time-out
    assert answer.count(b"HTTP/1.1 200 ") == what.startswith("a request")  # what is whole is answered, nothing else


def test_a_client_that_reads_nothing_is_let_go(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1.5)
        got = 0
        with suppress(OSError):  # some systems say that the connection was reset
            while part := connection.recv(10**6):
                got += len(part)
        assert got < 200 * 10**6


def test_too_many_connections_are_told_and_noted(port: int, caplog: pytest.LogCaptureFixture) -> None:
    held = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(MOST)]
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as one_more:
            assert b"503" in one_more.recv(4096)
        assert "8 connections" in caplog.text or "9 connections" in caplog.text
    finally:
        for connection in held:
            connection.close()
    over = time.monotonic() + 5
    while not is_let_in(port) and time.monotonic() < over:
        time.sleep(0.02)
    assert is_let_in(port)


def is_let_in(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_what_is_no_http_is_a_problem(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"hello\r\n\r\n")
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
