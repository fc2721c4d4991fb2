"""A hub on this machine: the part of the Hugging Face Hub's HTTP that fetching a model or a data set touches.

A real server on a real port, so that the client libraries, their cache and their failures are the real ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubStandIn:
    """Serves the folders `root/models/OWNER/NAME` and `root/datasets/OWNER/NAME`. `gated` holds repository ids."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.gated: set[str] = set()
        self.requests: list[str] = []
        self.url = ""

    @contextmanager
    def running(self) -> Iterator[HubStandIn]:
        hub = self

        class Handler(_Handler):
            stand_in = hub

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def environment(self, home: Path) -> dict[str, str]:
        """What a process needs in order to take this for the hub."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}


class _Handler(BaseHTTPRequestHandler):
    stand_in: HubStandIn
    protocol_version = "HTTP/1.0"  # a connection for each request, so that none outlives the hub

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        self.stand_in.requests.append(f"{self.command} {unquote(self.path)}")

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        is_api = parts[0] == "api"
        parts = parts[1:] if is_api else parts
        kind = parts.pop(0) if parts[0] in ("models", "datasets") else "models"
        repository, rest = "/".join(parts[:2]), parts[2:]
        folder = self.stand_in.root / kind / repository
        if not folder.is_dir():
            self._send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        elif repository in self.stand_in.gated and not (is_api and rest[:1] != ["tree"]):
            self._send(403, {"error": "Access to it is restricted"}, {"X-Error-Code": "GatedRepo"})
        elif rest[:1] == ["resolve"]:
            self._send_file(folder / "/".join(rest[2:]))
        elif rest[:1] == ["tree"]:
            self._send(200, _listing(folder, "/".join(rest[2:])))
        elif rest[:1] == ["paths-info"]:
            self._send(200, [_entry(folder, folder / path) for path in _paths(body) if (folder / path).exists()])
        elif rest in ([], ["revision", "main"], ["revision", COMMIT]):
            files = [{"rfilename": entry["path"]} for entry in _listing(folder, "") if entry["type"] == "file"]
            self._send(200, {"id": repository, "sha": COMMIT, "private": False, "siblings": files, "tags": []})
        else:
            self._send(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})

    def _send_file(self, path: Path) -> None:
        if not path.is_file():
            self._send(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
            return
        content = path.read_bytes()
        first, last = 0, len(content) - 1
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if asked and content:
            low, _, high = asked.partition("-")
            first, last = int(low), min(int(high or last), last)
        self.send_response(206 if asked and content else 200)
        if asked and content:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("ETag", f'"{sha1(content, usedforsecurity=False).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[first : last + 1])

    def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _paths(body: str) -> list[str]:
    """The paths asked for, by a form or as JSON."""
    try:
        asked = json.loads(body)["paths"]
    except ValueError:
        asked = parse_qs(body).get("paths", [])
    return [asked] if isinstance(asked, str) else asked


def _listing(folder: Path, below: str) -> list[dict[str, Any]]:
    return [_entry(folder, path) for path in sorted((folder / below).rglob("*"))]


def _entry(folder: Path, path: Path) -> dict[str, Any]:
    name = path.relative_to(folder).as_posix()
    if path.is_dir():
        return {"type": "directory", "oid": COMMIT, "size": 0, "path": name}
    content = path.read_bytes()
    return {"type": "file", "oid": sha1(content, usedforsecurity=False).hexdigest(), "size": len(content), "path": name}
