"""Where a run evaluates its candidates: options of the run, as one bundle. No study stores them."""

from __future__ import annotations

from typing import Annotated

import typer

from optimizer.engine import Engine, EngineName, engine_of

PANEL = "Workers"

Workers = Annotated[
    int | None,
    typer.Option(
        help="Candidates evaluated at the same time, each by a process with cores of its own (1: by this process).",
        rich_help_panel=PANEL,
    ),
]
EngineOption = Annotated[
    EngineName | None,
    typer.Option(
        "--engine",
        help="Where candidates are evaluated; in-process for one worker, processes for more. Named: as many as fit.",
        rich_help_panel=PANEL,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="host:port of a Ray cluster's head, or auto; by default $RAY_ADDRESS, or a cluster of this machine.",
        rich_help_panel=PANEL,
    ),
]
CandidateTimeout = Annotated[
    float | None,
    typer.Option(help="Seconds after which a candidate has failed and its process is replaced.", rich_help_panel=PANEL),
]


def engine_options(
    workers: Workers = None,
    engine: EngineOption = None,
    address: Address = None,
    candidate_timeout: CandidateTimeout = None,
) -> Engine:
    """Return the engine of a run. Raises `InputError` for options that do not go together."""
    return engine_of(engine, workers=workers, address=address, candidate_timeout=candidate_timeout)
