"""`optimize calibrate`: fit the constants of modelled energy to a meter of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from api.cli.bundles import taking
from api.cli.context import Shared, shared_here
from api.cli.saying import say
from objectives.figures import scaled

if TYPE_CHECKING:
    from objectives.energy.calibrated import Calibration


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("calibrate")(calibrate)


@taking(shared=shared_here)
def calibrate(
    *,
    shared: Shared,
    device: Annotated[str, typer.Option(help="Whose meter to read: cpu, cuda, cuda:N or mps.")] = "cpu",
    threads: Annotated[int | None, typer.Option(help="Threads of the CPU; as many as torch has by default.")] = None,
    window_seconds: Annotated[float, typer.Option(help="Seconds of one window of the meter, of about 40.")] = 3.0,
) -> None:
    """Fit modelled energy to this machine's meter (2 minutes in which nothing else should run) and show the error."""
    from optimizer.measuring.calibration import calibrate as fit
    from optimizer.measuring.calibration import kept_at

    found = fit(device, threads=threads, window_seconds=window_seconds)
    if shared.as_json:
        return shared.answer(found)
    shared.console.print(_works(found))
    for line in _said(found):
        say(shared.console, line)
    say(shared.console, f"kept at {kept_at(device)}; energies that are modelled use it from now on, and say so")
    return None


def _works(found: Calibration) -> Table:
    table = Table("work", "time", "energy beyond rest", "left out of the fit", "published constants", box=None)
    for work in found.works:
        errors = (f"{work.error:+.0%}", f"{work.published_error:+.0%}")
        table.add_row(work.name, scaled(work.seconds, "s"), scaled(work.joules, "J"), *errors)
    return table


def _said(found: Calibration) -> list[str]:
    before, after = found.rest_w
    return [
        f"{found.device_name}, {found.meter} ({found.scope}), {found.threads} threads, {found.day}; at rest "
        f"{before:.3g} W before and {after:.3g} W after",
        f"a work left out of the fit is predicted within {found.error:.0%} (median, worst {found.worst_error:.0%}); "
        f"the published constants are {found.published_error:.0%} off",
    ]
