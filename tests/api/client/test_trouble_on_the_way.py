"""Answers that are lost, cut short, refused for now or not this service's: a server that misbehaves as told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from api.client import (
    Client,
    ExportFailedError,
    Patience,
    ServerError,
    TooManyError,
    UnavailableError,
    UnexpectedAnswerError,
    UnreachableError,
)
from api.client.events import EventDecoder, LiveEvent
from optimizer.spec import StudySpec

QUICK = Patience(tries=3, reconnects=3, first_s=0.01, longest_s=0.02)
STUDY = {
    "id": 1, "study": "s", "state": "queued", "spec": {}, "error": None, "revision": 1,
    "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "seconds": {},
}  # fmt: skip
SPEC = StudySpec(model="phrases-mini", task="phrases", epsilon=0.01)
CONTENT = bytes(range(256)) * 40
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Gives the answers of its server, one after the other, and notes what was asked."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, dict(self.headers)))  # type: ignore[attr-defined]
        self.server.answers.pop(0)(self)  # type: ignore[attr-defined]

    do_GET = do_POST = _answer  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.answers, made.asked = [], []  # type: ignore[attr-defined]
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def client(server: ThreadingHTTPServer) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{server.server_port}", patience=QUICK) as made:
        yield made


def says(status: int, body: object = None, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(content)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def hangs_up(handler: Handler) -> None:
    handler.close_connection = True


def cut_after(content: bytes, *, size: int, status: int = 200, **headers: str) -> Answer:
    def answer(handler: Handler) -> None:
        says(status, content, **{**headers, "Content_Length": str(size)})(handler)
        handler.close_connection = True

    return answer


def problem(status: int, detail: str = "no") -> dict[str, object]:
    return {"title": "t", "status": status, "detail": detail}


def test_a_submit_whose_answer_is_lost_is_sent_again_under_the_same_key(server, client) -> None:
    server.answers += [hangs_up, says(503, problem(503)), says(201, STUDY)]
    assert client.submit(SPEC).study == "s"
    keys = [headers["Idempotency-Key"] for _, _, headers in server.asked]
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_what_cannot_be_done_twice_is_not_sent_twice(server, client) -> None:
    server.answers += [hangs_up]
    with pytest.raises(UnreachableError):
        client.cancel("s")
    server.answers += [says(503, problem(503))]
    with pytest.raises(UnavailableError):
        client.cancel("s")
    assert len(server.asked) == 2


def test_a_429_is_waited_for_as_long_as_it_asks_unless_that_is_too_long(server, client) -> None:
    server.answers += [says(429, problem(429), Retry_After="0"), says(202, STUDY)]
    assert client.cancel("s").study == "s"
    server.answers += [says(429, problem(429, "slowly"), Retry_After="3600")]
    with pytest.raises(TooManyError, match="slowly"):
        client.cancel("s")


def test_patience_ends(server, client) -> None:
    server.answers += [says(503, problem(503, "the database is away"))] * 3
    with pytest.raises(UnavailableError, match="the database is away"):
        client.study("s")
    assert server.answers == []


def test_answers_of_something_else_are_told_apart(server, client) -> None:
    server.answers += [says(200, b"<html>hello</html>"), says(500, b"<html>oops</html>")]
    with pytest.raises(UnexpectedAnswerError, match="check that it is this service"):
        client.study("s")
    with pytest.raises(ServerError, match="500 Internal Server Error"):
        client.study("s")


def stream(*events: LiveEvent) -> bytes:
    return b"".join(f"event: {e.kind}\ndata: {json.dumps(e.data)}\nid: {e.sequence}\n\n".encode() for e in events)


def candidate(number: int) -> LiveEvent:
    return LiveEvent(sequence=number, kind="candidate", data={"number": number})


END = LiveEvent(sequence=9, kind="state", data={"state": "complete"})


def test_events_are_read_over_as_many_connections_as_it_takes(server, client) -> None:
    server.answers += [
        cut_after(stream(candidate(1), candidate(2)) + b"event: cand", size=9999),
        hangs_up,
        says(503, problem(503)),
        says(200, b": ping\n\n" + stream(candidate(3))),
        says(200, stream(END)),
    ]
    assert list(client.events("s")) == [candidate(1), candidate(2), candidate(3), END]
    assert [headers["Last-Event-ID"] for _, _, headers in server.asked] == ["0", "2", "2", "2", "3"]


def test_a_stream_that_stays_away_is_given_up(server, client) -> None:
    server.answers += [says(200, stream(candidate(1))), hangs_up, hangs_up, hangs_up]
    heard = []
    with pytest.raises(UnreachableError):
        heard.extend(client.events("s"))  # what came before the error is lost to `extend` alone
    assert server.answers == []


def test_nothing_is_asked_after_the_final_event_even_if_the_connection_breaks(server, client) -> None:
    server.answers += [cut_after(stream(END), size=9999)]
    assert list(client.events("s")) == [END]


def test_events_are_decoded_wherever_they_are_cut() -> None:
    events = [LiveEvent(sequence=1, kind="stage", data={"text": "ε × 2"}), END]
    content = stream(*events).replace(b"\n", b"\r\n")
    for cut in range(len(content)):
        decoder = EventDecoder()
        assert [*decoder.feed(content[:cut]), *decoder.feed(content[cut:])] == events


def job(state: str, files: list[str] | None = None, error: str | None = None) -> dict[str, object]:
    result = {"folder": "job-1", "files": files} if files else None
    return {"id": 1, "kind": "export", "state": state, "attempts": 1, "error": error, "result": result}


def test_a_download_that_breaks_goes_on_with_what_is_missing(server, client, tmp_path: Path) -> None:
    size = len(CONTENT)
    server.answers += [
        says(202, job("done", ["model.safetensors"])),
        cut_after(CONTENT[:5000], size=size, ETag='"a"'),
        hangs_up,
        cut_after(CONTENT[5000:7000], size=size - 5000, status=206, ETag='"a"'),
        says(206, CONTENT[7000:], ETag='"a"'),
    ]
    (file,) = client.export("s", 1, tmp_path / "out")
    assert file.read_bytes() == CONTENT
    ranges = [(headers.get("Range"), headers.get("If-Range")) for _, _, headers in server.asked[1:]]
    assert ranges == [(None, None), ("bytes=5000-", '"a"'), ("bytes=5000-", '"a"'), ("bytes=7000-", '"a"')]


def test_a_file_that_changed_meanwhile_is_fetched_anew(server, client, tmp_path: Path) -> None:
    server.answers += [
        says(202, job("done", ["f"])),
        cut_after(b"old" * 10, size=99, ETag='"a"'),
        says(200, CONTENT, ETag='"b"'),
    ]
    (file,) = client.export("s", 1, tmp_path / "out")
    assert file.read_bytes() == CONTENT


def test_a_download_that_never_ends_leaves_nothing_behind(server, client, tmp_path: Path) -> None:
    server.answers += [says(202, job("done", ["f"])), hangs_up, hangs_up, hangs_up]
    with pytest.raises(UnreachableError):
        client.export("s", 1, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../f", "/etc/passwd", "a/b", "..", "", "c:\\f", "a\\b"])
def test_a_file_that_would_lie_elsewhere_is_not_fetched(server, client, tmp_path: Path, name: str) -> None:
    server.answers += [says(202, job("done", ["f", name]))]
    with pytest.raises(UnexpectedAnswerError, match="nothing was fetched"):
        client.export("s", 1, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_says_why(server, client, tmp_path: Path) -> None:
    server.answers += [says(202, job("failed", error="disk full"))]
    with pytest.raises(ExportFailedError, match="disk full"):
        client.export("s", 1, tmp_path / "out")
