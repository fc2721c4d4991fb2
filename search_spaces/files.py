"""Files and directories that are whole or absent, under concurrent writers and after any crash."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def written_whole(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary sibling of `path`, to be made a file or a directory, and rename it to `path` at the end.

    No other process or thread gets the same sibling, and nothing is left of it if the block fails. A file replaces the
    one before it; a directory replaces only an empty one. `durable` has the content on the disk before the name, so
    that not even a crash of the machine leaves a half. Raises `OSError` where the disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid4().hex}.tmp")
    try:
        yield temporary
        if durable:
            for written in (*temporary.rglob("*"), temporary):
                _sync(written)
        temporary.replace(path)
        if durable:
            _sync(path.parent)
    finally:
        _remove(temporary)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
