"""`optimize cache`: what the layer banks, tables and trained checkpoints take, and how to tend them."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Column, Table

from api.cli.bundles import taking
from api.cli.context import Shared, shared_here
from api.cli.saying import say

KINDS = ("banks", "latency", "checkpoints", "trained", "recovered", "reproduce", "graphs", "parcels")
DAY_S = 86_400.0


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    cache = typer.Typer(help="List and clear the cache.", no_args_is_help=True)
    cache.command("list")(list_entries)
    cache.command("prune")(prune)
    app.add_typer(cache, name="cache")


@taking(shared=shared_here)
def list_entries(shared: Shared) -> None:
    """List the entries with their size and age."""
    _answer(shared, _entries(shared.cache_dir))


@taking(shared=shared_here)
def prune(
    *,
    shared: Shared,
    unused_days: Annotated[
        float, typer.Option(help="Remove entries that were last written this many days ago or earlier.")
    ] = 30.0,
) -> None:
    """Remove old entries; what a study needs again is computed again."""
    old = [entry for entry in _entries(shared.cache_dir) if float(entry["days"]) >= unused_days]
    for entry in old:
        path = Path(str(entry["path"]))
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    _answer(shared, old)


def _entries(root: Path) -> list[dict[str, str | int | float]]:
    return [
        {
            "kind": kind,
            "path": str(path),
            "bytes": sum(file.st_size for file in files),
            "days": round((time.time() - max(file.st_mtime for file in files)) / DAY_S, 2),
        }
        for kind in KINDS
        if (root / kind).is_dir()
        for path in sorted((root / kind).iterdir())
        if (files := [*_files(path)])
    ]


def _files(path: Path) -> Iterator[os.stat_result]:
    """Yield the files of an entry but for those that a run removes meanwhile."""
    for each in [path, *path.rglob("*")]:
        with suppress(FileNotFoundError):
            found = each.stat()
            if stat.S_ISREG(found.st_mode):
                yield found


def _answer(shared: Shared, entries: list[dict[str, str | int | float]]) -> None:
    if shared.as_json:
        return shared.answer({"schema_version": 1, "cache_dir": str(shared.cache_dir), "items": entries})
    if not entries:
        return say(shared.console, f"{shared.cache_dir} contains no entries.")
    table = Table("kind", "size", "days", Column("path", overflow="fold"), box=None)
    for entry in entries:
        table.add_row(str(entry["kind"]), decimal(int(entry["bytes"])), str(entry["days"]), escape(str(entry["path"])))
    return shared.console.print(table)
