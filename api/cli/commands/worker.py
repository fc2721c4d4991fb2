"""`optimize worker`: run queued studies, here or on another machine that shares the database."""

from __future__ import annotations

import signal
from enum import StrEnum
from pathlib import Path
from threading import Event as Flag
from typing import Annotated

import typer

from api.cli.bundles import taking
from api.cli.context import Shared, shared_here
from api.cli.engine_options import engine_options
from api.cli.local import ARTIFACTS
from api.logs import log_of_service
from optimizer.engine import Engine
from optimizer.errors import InputError
from optimizer.logs import LogFormat
from studies.jobs import JobKind
from studies.limits import OF_A_SERVICE, Limits

Artifacts = Annotated[
    Path | None, typer.Option("--artifacts", help="Directory of exported models; in --cache-dir by default.")
]
LeaseSeconds = Annotated[
    float, typer.Option(min=1, help="Seconds after which another worker takes over a silent worker's job.")
]
StudiesPerKey = Annotated[int, typer.Option(min=1, help="Studies of one API key that run at the same time.")]
AllowPath = Annotated[
    list[Path] | None, typer.Option(help="Directory whose local models and data are accepted; may repeat.")
]
Format = Annotated[
    LogFormat, typer.Option("--log-format", help="text, or json: one object per line with the ids of its study.")
]
Otel = Annotated[
    bool,
    typer.Option("--otel", help="Send traces by OpenTelemetry to OTEL_EXPORTER_OTLP_ENDPOINT; needs the extra otel."),
]
Connections = Annotated[
    int, typer.Option("--database-connections", min=1, help="Connections to the database that are kept open.")
]
StatementSeconds = Annotated[
    float, typer.Option("--statement-seconds", min=0.1, help="Seconds that a statement may take in PostgreSQL.")
]
LockSeconds = Annotated[
    float, typer.Option("--lock-seconds", min=0.1, help="Seconds that a statement may wait for others' locks.")
]


def limits_of(
    database_connections: Connections = OF_A_SERVICE.connections,
    statement_seconds: StatementSeconds = OF_A_SERVICE.statement_s or 0.0,
    lock_seconds: LockSeconds = OF_A_SERVICE.lock_s,
) -> Limits:
    """Return the limits on the use of the database."""
    return Limits(connections=database_connections, statement_s=statement_seconds, lock_s=lock_seconds)


class Only(StrEnum):
    """What a worker takes."""

    STUDIES = "studies"
    EXPORTS = "exports"


OF_ALL = tuple(JobKind)
KINDS = {Only.STUDIES: (JobKind.RUN, JobKind.RESUME), Only.EXPORTS: (JobKind.EXPORT, JobKind.CERTIFY)}


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("worker")(worker)


@taking(shared=shared_here, limits=limits_of, engine=engine_options)
def worker(
    *,
    shared: Shared,
    limits: Limits,
    engine: Engine,
    artifacts: Artifacts = None,
    lease_seconds: LeaseSeconds = 30.0,
    studies_per_key: StudiesPerKey = 2,
    allow_path: AllowPath = None,
    log_format: Format = LogFormat.TEXT,
    otel: Otel = False,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="Exit when the queue is empty.")] = False,
    alive: Annotated[
        Path | None,
        typer.Option("--alive", metavar="FILE", help="Touch this file every second or so, for checks of health."),
    ] = None,
    only: Annotated[
        Only | None,
        typer.Option("--only", help="Take only studies, or only exports and texts to certify with."),
    ] = None,
    with_parent: Annotated[
        int | None,
        typer.Option("--with-parent", metavar="PID", help="Exit together with this process, which started the worker."),
    ] = None,
) -> None:
    """Run queued studies, one after the other, until stopped."""
    from optimizer.executors.parent import end_with

    if with_parent is not None:
        end_with(with_parent)
    from api.runner.worker import Worker
    from api.tracing import NO_TRACES, traces, watch
    from studies.opening import open_service

    _check_touchable(alive)
    tracers = traces("worker") if otel else NO_TRACES
    service = open_service(shared.storage, limits=limits)
    watch(service.database.engine, tracers)
    made = Worker(
        service,
        cache_dir=shared.cache_dir,
        artifacts=artifacts or shared.cache_dir / ARTIFACTS,
        lease_s=lease_seconds,
        per_owner=studies_per_key,
        roots=tuple(allow_path or ()),
        engine=engine,
        tracers=tracers,
        alive=alive,
        kinds=OF_ALL if only is None else KINDS[only],
    )
    log_of_service(log_format)
    _stop_on_signals(made.stopping)
    try:
        made.run(until_idle=until_idle)
    finally:
        service.close()


def _check_touchable(file: Path | None) -> None:
    try:
        if file is not None:
            file.touch()
    except OSError as error:
        raise InputError(
            "--alive", f"{file} cannot be touched ({error.strerror}); give a file that you may write"
        ) from error


def _stop_on_signals(stopping: Flag) -> None:
    """Stop after the current candidate at the first signal, immediately at the second."""

    def stop(number: int, _frame: object) -> None:
        stopping.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
