"""`optimize studies`: the stored studies."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from api.cli.bundles import taking
from api.cli.context import Shared, shared_of
from api.cli.saying import say


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("studies")(studies)


@taking(shared=shared_of)
def studies(
    *,
    shared: Shared,
    tag: Annotated[str | None, typer.Option("--tag", help="List only studies with this tag.")] = None,
) -> None:
    """List the studies, newest first."""
    with shared.studies() as known:
        found = known.studies(tag=tag)
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
            "tags": list(study.tags),
        }
        for study in found
    ]
    if shared.as_json:
        return shared.answer({"schema_version": 1, "items": rows})
    table = Table("id", "study", "state", "model", "task", "ε", "created", "seconds", "tags", box=None)
    for row, study in zip(rows, found, strict=True):
        shown = {**row, "created_at": f"{study.created_at:%Y-%m-%d %H:%M}", "tags": ", ".join(study.tags)}
        shown["epsilon"] = "–" if row["epsilon"] is None else row["epsilon"]
        table.add_row(*(escape(str(value)) for value in shown.values()))
    if not rows:
        return say(shared.console, "No study is stored yet." if tag is None else f"No study has the tag {tag!r}.")
    return shared.console.print(table)
