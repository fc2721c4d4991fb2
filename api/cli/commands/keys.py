"""`optimize keys`: the API keys of the service."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer

from api.cli.bundles import taking
from api.cli.context import Shared, shared_here
from api.cli.saying import say
from optimizer.errors import InputError, UnknownNameError
from studies.keys import ApiKey, Scope
from studies.quotas import Quota, Use
from studies.rules import LARGEST_ID

SCOPES = tuple(scope.value for scope in Scope)
keys_app = typer.Typer(
    help="Add, list and revoke the API keys of the service, and set their quotas.", no_args_is_help=True
)
UNLIMITED = "unlimited"
Queued = Annotated[
    str | None,
    typer.Option(metavar="N", help="Jobs that may wait at once: studies, exports, purchases; or unlimited."),
]
Running = Annotated[
    str | None,
    typer.Option(metavar="N", help="Jobs that may run at once, in place of --studies-per-key; or unlimited: as there."),
]
Candidates = Annotated[
    str | None,
    typer.Option(metavar="N", help="Candidates that may be asked for in 24 hours, as the sum of trials; or unlimited."),
]


def quotas_of(
    queued: Queued = None, running: Running = None, candidates: Candidates = None
) -> Mapping[str, int | None]:
    """Return the quotas that are given, by their names; None is no quota."""
    given = {"queued": queued, "running": running, "candidates": candidates}
    return {name: _most(f"--{name}", text) for name, text in given.items() if text is not None}


def _most(option: str, text: str) -> int | None:
    if text == UNLIMITED:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LARGEST_ID):
        raise InputError(option, f"{text!r} is no quota; give a number from 1 to {LARGEST_ID}, or {UNLIMITED}")
    return int(text)


def register(app: typer.Typer) -> None:
    """Put the commands on the tree."""
    app.add_typer(keys_app, name="keys")


@keys_app.command("add")
@taking(shared=shared_here, quotas=quotas_of)
def add(
    *,
    shared: Shared,
    quotas: Mapping[str, int | None],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the key's owner.")],
    scopes: Annotated[str, typer.Option("--scopes", "--scope", help="read, write, admin; separated by commas.")] = (
        "read,write"
    ),
    owners: Annotated[
        str | None, typer.Option(help="Owners whose studies the key may also read, separated by commas, or all.")
    ] = None,
) -> None:
    """Create a key and print its secret once. From then on the service requires a key."""
    from studies.opening import open_service

    wanted = frozenset(part for part in scopes.split(",") if part)
    for scope in wanted:
        if scope not in SCOPES:
            raise UnknownNameError("--scopes", scope, SCOPES)
    if not wanted:
        raise InputError("--scopes", "give at least one of read, write, admin")
    others = [part for part in (owners or "").split(",") if part]
    if wanted == {Scope.READ} and not others:
        raise InputError(
            "--owners",
            "a key with scope read alone has no studies of its own; give the owners that it may read, or all",
        )
    with closing(open_service(shared.storage)) as service:
        key, secret = service.keys.add(name, map(Scope, wanted), owners=others, quota=Quota(**quotas))
    if shared.as_json:
        shared.answer({"schema_version": 1, "id": key.id, "name": key.name, "scopes": sorted(wanted), "secret": secret})
    else:
        say(shared.console, secret)
        scopes = ", ".join(sorted(wanted))
        say(shared.messages, f"key {key.id} of {key.name!r} ({scopes}); store it now, it is shown only once")


@keys_app.command("list")
@taking(shared=shared_here)
def list_keys(shared: Shared) -> None:
    """List the keys, without their secrets."""
    from studies.opening import open_service

    with closing(open_service(shared.storage)) as service:
        found = list(service.keys.keys())
        uses = {key.id: service.keys.use(key.id) for key in found}
    if shared.as_json:
        return shared.answer({"schema_version": 1, "items": [_as_data(key, uses[key.id]) for key in found]})
    names = {key.id: key.name for key in found}
    for key in found:
        say(shared.console, _in_words(key, uses[key.id], names))
    return None


@keys_app.command("quota")
@taking(shared=shared_here, quotas=quotas_of)
def quota(
    *,
    shared: Shared,
    quotas: Mapping[str, int | None],
    key: Annotated[str, typer.Argument(metavar="KEY", help="Name or id of the key.")],
) -> None:
    """Change the quotas of a key that are given, at once, and show them all with what is used."""
    from studies.opening import open_service

    with closing(open_service(shared.storage)) as service:
        changed = service.keys.change_quota(key, quotas)
        use = service.keys.use(changed.id)
    if shared.as_json:
        shared.answer({"schema_version": 1, **_as_data(changed, use)})
    else:
        say(shared.console, _in_words(changed, use, {}))


def _as_data(key: ApiKey, use: Use) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "owners": sorted(key.owners),
        "created_at": key.created_at.isoformat(),
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
        "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
        "quota": asdict(key.quota),
        "used": asdict(use),
    }


def _in_words(key: ApiKey, use: Use, names: Mapping[str, str]) -> str:
    reads = ", ".join(sorted(names.get(owner, owner) for owner in key.owners))
    state = "revoked" if key.revoked_at else "valid"
    used = asdict(use)
    quotas = [f"{name} {used[name]} of {most}" for name, most in asdict(key.quota).items() if most is not None]
    named = [key.id, key.name, ",".join(sorted(key.scopes)), state]
    return "  ".join([*named, *([f"reads {reads}"] if reads else []), *quotas])


@keys_app.command("revoke")
@taking(shared=shared_here)
def revoke(
    *,
    shared: Shared,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Name or id of the key.")],
) -> None:
    """Revoke a key; requests with it are refused at once."""
    from studies.opening import open_service

    with closing(open_service(shared.storage)) as service:
        service.keys.revoke(key)
    if shared.as_json:
        shared.answer({"schema_version": 1, "revoked": key})
