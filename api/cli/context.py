"""What every command shares: where studies are stored, where caches lie, and how to answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import platformdirs
import typer
from pydantic import BaseModel
from rich.console import Console

from studies.opening import default_storage_url, open_store
from studies.store import StudyStore

Storage = Annotated[
    str | None, typer.Option("--storage", help="Database URL of the studies; SQLite in your data directory by default.")
]
CacheDir = Annotated[
    Path | None, typer.Option("--cache-dir", help="Where layer banks, tables and trained checkpoints are kept.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON object on standard output, everything else on standard error.")
]
StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="Name or number of a study.")]


PIPE_WIDTH = 140


@dataclass(frozen=True)
class Shared:
    """The options that may stand before or after a command's name."""

    storage: str
    cache_dir: Path
    as_json: bool

    @property
    def console(self) -> Console:
        """Where tables go: standard output, or standard error while that carries JSON."""
        return _console(stderr=self.as_json)

    @property
    def messages(self) -> Console:
        """Where progress and remarks go: always standard error."""
        return _console(stderr=True)

    @contextmanager
    def store(self, *, read_only: bool = False) -> Iterator[StudyStore]:
        """Open the store for one command."""
        store = open_store(self.storage, read_only=read_only)
        try:
            yield store
        finally:
            store.close()

    def answer(self, value: BaseModel | dict[str, Any]) -> None:
        """Print one JSON object on standard output."""
        data = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        sys.stdout.write(json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n")


def _console(*, stderr: bool) -> Console:
    """Return a console; a file or a pipe gets wide lines rather than the 80 columns of an unknown terminal."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=PIPE_WIDTH)


def shared(storage: str | None, cache_dir: Path | None, *, as_json: bool) -> Shared:
    """Return the shared options with their defaults filled in."""
    return Shared(storage or default_storage_url(), cache_dir or default_cache_dir(), as_json)


def shared_of(ctx: typer.Context, storage: str | None, cache_dir: Path | None, *, as_json: bool) -> Shared:
    """Return the shared options of a subcommand: its own, else those before its name."""
    before: dict[str, Any] = ctx.obj or {}
    return shared(
        storage or before.get("storage"),
        cache_dir or before.get("cache_dir"),
        as_json=as_json or bool(before.get("as_json")),
    )


def default_cache_dir() -> Path:
    """Return where banks, tables and trained checkpoints are kept unless `--cache-dir` says otherwise."""
    return Path(platformdirs.user_cache_dir("pruning-optimizer"))
