"""`optimize cancel`: give up a study that waits or runs."""

from __future__ import annotations

import typer

from api.cli.bundles import taking
from api.cli.context import Shared, StudyName, shared_of
from api.cli.saying import say
from studies.records import StudyState


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("cancel")(cancel)


@taking(shared=shared_of)
def cancel(
    *,
    shared: Shared,
    study: StudyName,
) -> None:
    """Cancel a worker's study: at once if queued, after the current candidate if running. Its candidates are kept."""
    with shared.studies() as known:
        found = known.cancel(study)
    if shared.as_json:
        shared.answer({"schema_version": 1, "study": found.study, "state": found.state.value})
    elif found.state is StudyState.CANCELLED:
        say(shared.console, f"cancelled {found.study}")
    else:
        say(shared.console, f"{found.study} stops after the current candidate")
