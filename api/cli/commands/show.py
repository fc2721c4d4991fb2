"""`optimize show`: a study's current result, finished or not."""

from __future__ import annotations

import typer

from api.cli.bundles import taking
from api.cli.context import Shared, StudyName, shared_of
from api.cli.render import print_result
from api.cli.saying import say
from api.cli.trainings import print_trainings
from api.cli.wording import in_flags


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("show")(show)


@taking(shared=shared_of)
def show(
    *,
    shared: Shared,
    study: StudyName,
) -> None:
    """Show a study: its front, conditions and time, and what trainings of its members spent."""
    with shared.studies() as known:
        result = known.result(study)
        resume = known.resume_command(result.study)
    if shared.as_json:
        shared.answer(result)
    else:
        print_result(result, shared.console, resume=resume)
        print_trainings(result, shared.console)
        if result.why_empty:
            say(shared.messages, f"The front is empty: {in_flags(result.why_empty)}")
