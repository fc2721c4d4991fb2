"""`optimize studies`: what is stored."""

from __future__ import annotations

import typer
from rich.table import Table

from api.cli.context import ApiKey, AsJson, CacheDir, ServerUrl, Storage, shared_of


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("studies")(studies)


def studies(
    ctx: typer.Context,
    storage: Storage = None,
    cache_dir: CacheDir = None,
    as_json: AsJson = False,
    server: ServerUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List the studies, newest first."""
    shared = shared_of(ctx, storage, cache_dir, as_json=as_json, server=server, api_key=api_key)
    with shared.studies() as known:
        found = known.studies()
    rows = [
        {
            "id": study.id,
            "study": study.study,
            "state": study.state.value,
            "model": study.spec.get("model"),
            "task": study.spec.get("task"),
            "epsilon": study.spec.get("epsilon"),
            "created_at": study.created_at.isoformat(timespec="seconds"),
            "seconds": round(sum(study.seconds.values()), 1),
        }
        for study in found
    ]
    if shared.as_json:
        return shared.answer({"schema_version": 1, "items": rows})
    table = Table("id", "study", "state", "model", "task", "ε", "created", "seconds", box=None)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    shared.console.print(table if rows else "No study is stored yet.")
    return None
