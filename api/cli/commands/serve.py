"""`optimize serve`: the HTTP service with its workers."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.bundles import taking
from api.cli.commands.worker import AllowPath, Artifacts, Format, LeaseSeconds, Otel, StudiesPerKey, limits_of
from api.cli.context import Shared, shared_here
from api.cli.local import ARTIFACTS
from api.cli.saying import say
from api.logs import log_of_service
from optimizer.errors import InputError
from optimizer.logs import LogFormat
from studies.limits import Limits

if TYPE_CHECKING:
    from api.http.settings import Settings


GRACE_S = 3
DAY_S = 24 * 3600.0
log = logging.getLogger(__name__)
OTHER_FILES = 100  # that a server opens in addition to its connections: database, exports, logs


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("serve")(serve)


@taking(shared=shared_here, limits=limits_of)
def serve(
    *,
    shared: Shared,
    limits: Limits,
    host: Annotated[
        str, typer.Option(help="Address to listen on; addresses other than loopback require an API key.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=0, help="Worker processes; 0 if you run `optimize worker` yourself.")] = 1,
    allow_path: AllowPath = None,
    allow_host: Annotated[list[str] | None, typer.Option(help="Host name this server answers for; may repeat.")] = None,
    allow_hub: Annotated[
        list[str] | None, typer.Option(help="Hub id or owner that requests may name; may repeat.")
    ] = None,
    requests_per_minute: Annotated[int, typer.Option(min=1, help="Requests answered per address and minute.")] = 1200,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(help="Address or network of a proxy whose X-Forwarded-For names the caller; may repeat."),
    ] = None,
    max_connections: Annotated[int, typer.Option(min=1, help="Connections open at once; further ones get 503.")] = 1000,
    artifacts: Artifacts = None,
    studies_per_key: StudiesPerKey = 2,
    lease_seconds: LeaseSeconds = 30.0,
    log_format: Format = LogFormat.TEXT,
    otel: Otel = False,
    export_days: Annotated[float, typer.Option(min=0.01, help="Days for which exported models are kept.")] = 30.0,
) -> None:
    """Serve studies and fronts over HTTP, and run submitted studies."""
    from api.http.settings import LOOPBACK, Settings

    settings = Settings(
        storage=shared.storage,
        limits=limits,
        cache_dir=shared.cache_dir,
        artifacts=artifacts or shared.cache_dir / ARTIFACTS,
        roots=tuple(allow_path or ()),
        hub_allow=tuple(allow_hub or ()),
        hosts=(*LOOPBACK, *(name.lower() for name in allow_host or ())),
        workers=workers,
        studies_per_key=studies_per_key,
        lease_s=lease_seconds,
        log_format=log_format,
        otel=otel,
        requests_per_minute=requests_per_minute,
        export_retention_s=export_days * DAY_S,
    )
    log_of_service(log_format)
    tell = log.info if log_format is LogFormat.JSON else partial(say, shared.messages)
    _refuse_open_door(shared, host, tell)
    connections = _room_for(max_connections, tell)
    _run(settings, host=host, port=port, connections=connections, proxies=_networks(trusted_proxy or ()))


def _refuse_open_door(shared: Shared, host: str, tell: Callable[[str], None]) -> None:
    """Raise `InputError` for a server without keys that other machines can reach."""
    from studies.opening import open_service

    with closing(open_service(shared.storage)) as service:
        has_keys = service.keys.any()
    if not has_keys and not _is_loopback(host):
        raise InputError(
            "--host", f"{host} can be reached from other machines; first create a key with `optimize keys add NAME`"
        )
    if not has_keys:
        tell("no API keys: only this machine can connect, and may do everything")


def _run(settings: Settings, *, host: str, port: int, connections: int, proxies: list[str]) -> None:
    """Run server and workers until stopped."""
    import uvicorn

    from api.http.app import create_app
    from api.http.protocol import bounded
    from api.runner.pool import Pool
    from api.tracing import NO_TRACES, traces

    tracers = traces("server") if settings.otel else NO_TRACES
    pool = Pool(settings.workers, _worker_arguments(settings))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again when it has shut down
    try:
        pool.start()
        uvicorn.run(
            create_app(settings, tracers),
            host=host,
            port=port,
            log_config=None,  # ours
            access_log=False,
            http=bounded(most_connections=connections),
            ws="none",
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=GRACE_S,  # listeners to events would stay for ever
        )
    finally:
        pool.close()


def _worker_arguments(settings: Settings) -> list[str]:
    return [
        "--storage",
        settings.storage,
        "--cache-dir",
        str(settings.cache_dir),
        "--artifacts",
        str(settings.artifacts),
        "--studies-per-key",
        str(settings.studies_per_key),
        "--lease-seconds",
        str(settings.lease_s),
        "--database-connections",
        str(settings.limits.connections),
        "--statement-seconds",
        str(settings.limits.statement_s),
        "--log-format",
        settings.log_format,
        "--lock-seconds",
        str(settings.limits.lock_s),
        *(["--otel"] if settings.otel else []),
        *(part for root in settings.roots for part in ("--allow-path", str(root))),
    ]


def _networks(proxies: Sequence[str]) -> list[str]:
    for proxy in proxies:
        try:
            ip_network(proxy)
        except ValueError as error:
            raise InputError("--trusted-proxy", f"{error}; give 10.0.0.7 or 10.0.0.0/24") from error
    return list(proxies)


def _room_for(connections: int, tell: Callable[[str], None]) -> int:
    """Return how many connections can be held, after asking the system for as many files as it lets one open."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    room = connections if hard == resource.RLIM_INFINITY else min(connections, max(1, hard - OTHER_FILES))
    if room < connections:
        tell(f"the limit of {hard} open files allows {room} connections; raise it with ulimit -n")
    return room


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
