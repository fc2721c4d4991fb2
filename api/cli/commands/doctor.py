"""`optimize doctor`: what this machine has, how each figure will be obtained on it, and what would make them better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Column, Table

from api.cli.bundles import taking
from api.cli.context import Shared, shared_here
from api.cli.saying import say
from api.cli.wording import in_flags

if TYPE_CHECKING:
    from optimizer.doctor.diagnosis import Diagnosis


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("doctor")(doctor)


@taking(shared=shared_here)
def doctor(shared: Shared) -> None:
    """Look at this machine: its meters, devices and kernels, the source of every figure, and how to get better ones."""
    from optimizer.doctor.diagnosis import diagnose

    found = diagnose(shared.cache_dir)
    if shared.as_json:
        return shared.answer(found)
    shared.console.print(_machine(found))
    shared.console.print(_rows("figure", "source", [(each.figure, each.source, each.says) for each in found.figures]))
    meters = [(each.device, each.source or "no", each.says) for each in found.meters]
    shared.console.print(_rows("energy meter of", "source", meters))
    for advice in found.advice:
        say(shared.console, f"- {in_flags(advice)}")
    return None


def _machine(found: Diagnosis) -> Table:
    here, room = found.processor, found.memory
    caches = ", ".join(f"L{each.level} {decimal(each.bytes)} for {each.shared_by}" for each in here.caches)
    kernels = {"8 bits": ", ".join(here.int8), "bf16": ", ".join(here.bf16), "AMX": "yes" if here.amx else ""}
    packages = ", ".join(f"{name} {number or 'not installed'}" for name, number in found.backends.items())
    limit = f", limited to {decimal(room.limit)}" if room.limit else ""
    virtual = ", virtual" if here.is_virtual else ""
    rows = {
        "processor": f"{here.name}, {here.usable:g} of {here.processors} usable{virtual}",
        "threads of torch": str(here.threads),
        "kernels": ", ".join(f"{kind}: {names or 'none'}" for kind, names in kernels.items()),
        "caches": caches or "unknown",
        "memory": f"{decimal(room.available)} of {decimal(room.total)} available{limit}",
        "disk": f"{decimal(found.disk.free)} of {decimal(found.disk.total)} free at {found.disk.path}",
        "devices": ", ".join(f"{each.name} ({each.title})" for each in found.devices),
        "runs models": packages,
        "variables": ", ".join(f"{name}={value}" for name, value in found.variables.items()) or "none",
        "noise": found.noise or "quiet",
    }
    table = Table.grid(padding=(0, 2))
    for name, text in rows.items():
        table.add_row(name, escape(text))
    return table


def _rows(first: str, second: str, rows: list[tuple[str, str, str]]) -> Table:
    table = Table(first, second, Column("", overflow="fold"), box=None)
    for row in rows:
        table.add_row(*map(escape, row))
    return table
