"""`optimize storage`: check, back up, copy, upgrade and clear the database of the studies."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal
from rich.table import Column, Table

from api.cli.bundles import taking
from api.cli.context import Shared, shared_here
from api.cli.errors import BAD_INPUT
from api.cli.local import LocalStudies
from api.cli.saying import say
from studies import storage as tending

if TYPE_CHECKING:
    from studies.sql.checking import Checked

storage_app = typer.Typer(
    help="Check, back up, copy, upgrade and clear the database of the studies.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Put the commands on the tree."""
    app.add_typer(storage_app, name="storage")


@storage_app.command("check")
@taking(shared=shared_here)
def check(shared: Shared) -> None:
    """Read the whole database: what it holds, what is open in it, and what is wrong. Exit code 2 if anything is."""
    found = tending.check(shared.storage)
    if shared.as_json:
        shared.answer({"schema_version": 1, **asdict(found)})
    else:
        _print_found(shared, found)
    if found.faults:
        raise typer.Exit(BAD_INPUT)


@storage_app.command("backup")
@taking(shared=shared_here)
def backup(*, shared: Shared, file: Annotated[Path, typer.Argument(metavar="FILE", help="The new file.")]) -> None:
    """Write the SQLite database into a new file while studies run; the file appears complete or not at all."""
    size = tending.back_up(shared.storage, file)
    if shared.as_json:
        return shared.answer({"schema_version": 1, "file": str(file), "bytes": size})
    return say(shared.console, f"{file}: {decimal(size)}")


@storage_app.command("copy")
@taking(shared=shared_here)
def copy(
    *,
    shared: Shared,
    target: Annotated[str, typer.Argument(metavar="URL", help="Database URL to copy to; it must be empty.")],
) -> None:
    """Copy everything into an empty database, SQLite or PostgreSQL, and compare every row. Start it again to go on."""
    with shared.messages.status("copying") as status:
        done = tending.copy(
            shared.storage, target, progress=lambda table, rows: status.update(f"copying {table}: {rows} rows")
        )
    if shared.as_json:
        return shared.answer({"schema_version": 1, **asdict(done)})
    total = sum(done.rows.values())
    before = f", {done.found} of them by an earlier attempt" if done.found else ""
    say(shared.console, f"{done.target}: {total} rows copied{before}, each equal to {done.source}")
    if done.waiting:
        say(shared.messages, f"{done.waiting} jobs wait in both databases; let workers take them from one only")
    return None


@storage_app.command("prune")
@taking(shared=shared_here)
def prune(
    *,
    shared: Shared,
    older_than: Annotated[
        float, typer.Option("--older-than", min=0, metavar="DAYS", help="Days since anything was written to a study.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it the studies are only listed.")] = False,
) -> None:
    """List the studies that nobody has touched for so long; with --yes delete them with their exports, and vacuum."""
    found = tending.stale(shared.storage, timedelta(days=older_than))
    size: tuple[int, int] | None = None
    if yes and found.may_go:
        known = LocalStudies(shared.storage, shared.cache_dir)
        for study in found.may_go:
            known.delete(str(study.id))
        size = tending.vacuum(shared.storage)
    if shared.as_json:
        names = [study.slug for study in found.may_go]
        return shared.answer({"schema_version": 1, "deleted": yes, "studies": names, "kept": found.stay, "bytes": size})
    for name, why in found.stay.items():
        say(shared.messages, f"{name} stays: {why}")
    for study in found.may_go:
        verb = "deleted" if yes else "would be deleted"
        say(shared.console, f"{study.slug}: {study.state}, last written {study.updated_at:%Y-%m-%d}; {verb}")
    if size is not None:
        return say(shared.console, f"{decimal(size[0])} before, {decimal(size[1])} now")
    return say(shared.messages, "nothing is deleted" + ("; --yes deletes these" if found.may_go else ""))


@storage_app.command("migrate")
@taking(shared=shared_here)
def migrate(shared: Shared) -> None:
    """Bring the tables up to date, all at once, under a lock; refused while an older program works in the database."""
    done = tending.migrate(shared.storage)
    if shared.as_json:
        return shared.answer({"schema_version": 1, **asdict(done)})
    if done.before == done.after:
        return say(shared.console, f"{done.storage}: version {done.after}, up to date")
    return say(shared.console, f"{done.storage}: from {done.before or 'no tables'} to version {done.after}")


def _print_found(shared: Shared, found: Checked) -> None:
    standing = "" if found.is_current else ", older than this program: run `optimize storage migrate`"
    say(shared.console, f"{found.storage}: version {found.version}{standing}, {decimal(found.size_bytes)}")
    table = Table("table", Column("rows", justify="right"), box=None)
    for name, rows in found.rows.items():
        table.add_row(name, str(rows))
    shared.console.print(table)
    for sentence in found.is_open:
        say(shared.console, f"open: {sentence}")
    for sentence in found.faults:
        say(shared.console, f"fault: {sentence}", style="bold red")
    if not found.faults:
        say(shared.console, "sound" if found.is_current else "the file is sound; rows are read after the upgrade")
