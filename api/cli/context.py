"""What every command shares: the database, the cache directory and the form of its output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console

from api.cli import letters
from api.cli.local import LocalStudies, default_cache_dir
from api.cli.sources import Studies
from optimizer.engine import ALONE, Engine
from optimizer.errors import InputError
from studies.opening import default_storage_url

Storage = Annotated[
    str | None, typer.Option("--storage", help="Database URL of the studies; SQLite in your data directory by default.")
]
CacheDir = Annotated[
    Path | None, typer.Option("--cache-dir", help="Directory of layer banks, tables and trained checkpoints.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON object on standard output, everything else on standard error.")
]
ServerUrl = Annotated[
    str | None,
    typer.Option("--server", help="URL of a server whose studies to use; $OPTIMIZE_SERVER sets it too."),
]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", help="API key for the server; $OPTIMIZE_API_KEY keeps it out of the process list."),
]
StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="Name or number of a study.")]


PIPE_WIDTH = 10_000  # columns; no table needs as many
SERVER_VARIABLE, API_KEY_VARIABLE = "OPTIMIZE_SERVER", "OPTIMIZE_API_KEY"
HERE_ALONE = ("storage", "cache_dir")  # a server has its own


@dataclass(frozen=True)
class Server:
    """A server that runs the commands instead of this machine."""

    url: str
    api_key: str | None = field(repr=False)


@dataclass(frozen=True)
class Shared:
    """The options that may stand before or after a command's name. `server` is None for commands on this machine."""

    storage: str
    cache_dir: Path
    as_json: bool
    server: Server | None = None

    @property
    def console(self) -> Console:
        """Where tables go: standard output, or standard error while that carries JSON."""
        return _console(stderr=self.as_json)

    @property
    def messages(self) -> Console:
        """Where progress and messages go: always standard error."""
        return _console(stderr=True)

    @contextmanager
    def studies(self, engine: Engine = ALONE) -> Iterator[Studies]:
        """Yield the studies that a command works on. Raises `InputError` for an engine of a server's runs."""
        if self.server is None:
            yield LocalStudies(self.storage, self.cache_dir, engine)
            return
        if engine != ALONE:
            raise InputError(
                "--server",
                f"{self.server.url} runs studies in its own workers; give --workers to its `optimize worker`",
            )
        from api.cli.remote import RemoteStudies  # brings httpx and FastAPI's models
        from api.client.blocking import Client

        with Client(self.server.url, api_key=self.server.api_key) as client:
            yield RemoteStudies(client, self.server.url)

    def answer(self, value: BaseModel | dict[str, Any]) -> None:
        """Print one JSON object on standard output."""
        data = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        sys.stdout.write(letters.as_json(data) + "\n")


def check_output(file: Path | None) -> None:
    """Raise `InputError` for a file that cannot be written, before anything is computed for it.

    Missing directories are made when the file is written.
    """
    if file is None:
        return
    if file.is_dir():
        raise InputError("--output", f"{file} is a directory; give a file")
    there = next(place for place in (file.absolute(), *file.absolute().parents) if place.exists())
    if there != file.absolute() and not there.is_dir():
        raise InputError("--output", f"{there} is not a directory; give another file")
    if not os.access(there, os.W_OK):
        raise InputError("--output", f"{file} cannot be written; give a file that you may write")


def _console(*, stderr: bool) -> Console:
    """Return a console; a file or a pipe gets tables at their full width, not the 80 columns of an unknown terminal."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=PIPE_WIDTH)


def shared(options: Mapping[str, Any]) -> Shared:  # Any: one type per option
    """Return the shared options with their defaults filled in. Raises `InputError` for two that exclude each other."""
    return Shared(
        options.get("storage") or default_storage_url(),
        options.get("cache_dir") or default_cache_dir(),
        bool(options.get("as_json")),
        _server(options),
    )


def shared_here(
    ctx: typer.Context, storage: Storage = None, cache_dir: CacheDir = None, as_json: AsJson = False
) -> Shared:
    """Return the shared options of a subcommand that works on this machine only."""
    return shared_of(ctx, storage, cache_dir, as_json)


def shared_of(
    ctx: typer.Context,
    storage: Storage = None,
    cache_dir: CacheDir = None,
    as_json: AsJson = False,
    server: ServerUrl = None,
    api_key: ApiKey = None,
) -> Shared:
    """Return the shared options of a subcommand: its own, else those before its name."""
    before: dict[str, Any] = ctx.obj or {}
    own = {"storage": storage, "cache_dir": cache_dir, "as_json": as_json, "server": server, "api_key": api_key}
    return shared({**before, **{name: value for name, value in own.items() if value}})


def _server(options: Mapping[str, Any]) -> Server | None:
    """Return the server given by option or environment. Options override the environment."""
    given = options.get("server")
    here = next((f"--{name.replace('_', '-')}" for name in HERE_ALONE if options.get(name)), None)
    if given and here:
        raise InputError(here, f"applies to this machine, --server {given} to another; remove one of them")
    url = given or (None if here else os.environ.get(SERVER_VARIABLE))
    if url:
        return Server(url, options.get("api_key") or os.environ.get(API_KEY_VARIABLE) or None)
    if options.get("api_key"):
        raise InputError("--api-key", f"needs a server; set --server URL or {SERVER_VARIABLE}")
    return None
