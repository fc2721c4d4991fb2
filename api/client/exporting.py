"""Exporting: a candidate exported by the server, then fetched into a directory as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

import httpx

from api.client.answers import answered, attempted, next_part, parsed
from api.client.calls import Call, path_to
from api.client.errors import ExportFailedError, UnavailableError, UnexpectedAnswerError, UnreachableError
from api.client.patience import Patience
from api.client.plans import Open, Pause, Plan
from api.http.models import JobView
from optimizer.errors import MachineError
from optimizer.handover.exportable import refuse_filled
from search_spaces.files import written_whole
from studies.jobs import JobState

POLL_S = 0.5


def exported(name: str, candidate: int, directory: Path, *, format: str, patience: Patience) -> Plan[tuple[Path, ...]]:
    """Export a candidate, wait for it, and fetch its files into a new or empty directory.

    Raises `InputError` for a directory that is not empty, `ExportFailedError`, `ApiError`, `UnreachableError`.
    """
    refuse_filled(directory)
    body = {"candidate": candidate, "format": format}
    call = Call(method="POST", path=path_to("studies", name, "exports"), body=body)
    job = yield from _ended(parsed((yield from answered(call, patience)), JobView), patience)
    files = [_plain(file) for file in (job.result or {}).get("files", ())]
    with _whole(directory) as place:
        for file in files:
            yield from _fetched(path_to("exports", job.id, "files", file), place / file, patience)
    return tuple(directory / file for file in sorted(files))


def _ended(job: JobView, patience: Patience) -> Plan[JobView]:
    """Wait until a job is done. Raises `ExportFailedError`."""
    while job.state in (JobState.QUEUED, JobState.RUNNING):
        yield Pause(POLL_S)
        job = parsed((yield from answered(Call(path=path_to("exports", job.id)), patience)), JobView)
    if job.state != JobState.DONE:
        raise ExportFailedError(job.error or f"export {job.id} was {job.state}; ask for it again")
    return job


def _plain(name: str) -> str:
    """Return a file's name. Raises `UnexpectedAnswerError` for one that leads out of its directory."""
    if name in ("", ".", "..") or PurePosixPath(name).name != name or PureWindowsPath(name).name != name:
        raise UnexpectedAnswerError(f"the server names a file {name!r}, which is not a plain name; nothing was fetched")
    return name


@dataclass(slots=True)
class Fetched:
    """How much of a file has arrived; `tag` identifies its version."""

    have: int = 0
    size: int | None = None
    tag: str = ""


def _fetched(path: str, target: Path, patience: Patience) -> Plan[None]:
    """Fetch a file; where the connection breaks, continue with the missing bytes."""
    got = Fetched()
    pauses = patience.pauses(patience.tries - 1)
    with target.open("wb") as file:
        while got.have != got.size:
            before = got.have
            try:
                yield from _rest(path, file, got)
            except (UnreachableError, UnavailableError):
                if got.have > before:
                    pauses = patience.pauses(patience.tries - 1)
                pause = next(pauses, None)
                if pause is None:
                    raise
                yield Pause(pause)


def _rest(path: str, file: BinaryIO, got: Fetched) -> Plan[None]:
    """Fetch what is missing. Raises `UnreachableError` where less came than was announced."""
    headers = {"Accept-Encoding": "identity"}
    if got.have:
        headers |= {"Range": f"bytes={got.have}-", "If-Range": got.tag}
    response = yield from attempted(Open(Call(path=path, headers=headers)))
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        file.seek(0)
        file.truncate()
        got.have = 0
    got.size, got.tag = got.have + _length(response), response.headers.get("ETag", "")
    while (part := (yield from next_part())) is not None:
        file.write(part)
        got.have += len(part)
    if got.have != got.size:
        raise UnreachableError(f"{path}: {got.have} of {got.size} bytes came", was_sent=True)


def _length(response: httpx.Response) -> int:
    announced = response.headers.get("Content-Length", "")
    if not announced.isdecimal():
        raise UnexpectedAnswerError(f"{response.request.url.path} came without its length, so it cannot be checked")
    return int(announced)


@contextmanager
def _whole(directory: Path) -> Iterator[Path]:
    """Yield a temporary sibling that becomes `directory` at the end; it is removed if anything fails."""
    try:
        with written_whole(directory) as temporary:
            temporary.mkdir()
            yield temporary
    except OSError as error:
        raise MachineError(f"cannot write {directory}: {error}. Free some space or name another place") from error
