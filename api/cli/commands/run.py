"""`optimize --model …`: run a study, show how it goes, print what it found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from api.cli.context import Shared
from api.cli.live import LiveProgress
from api.cli.render import print_result
from optimizer.errors import NothingFeasibleError
from optimizer.member import Member, RunResult
from optimizer.spec import StudySpec
from studies.store import StudyStore


def run_study(spec: StudySpec, shared: Shared, *, study: str | None, dry_run: bool, output: Path | None) -> None:
    """Run a new study, or only check and estimate it."""
    from optimizer.estimate import estimate  # brings torch, which a mistyped option should not wait for
    from optimizer.run import optimize

    if dry_run:
        report = estimate(spec, cache_dir=shared.cache_dir)
        return shared.answer(report) if shared.as_json else shared.console.print(report.in_words())
    with shared.store() as store, LiveProgress(shared.messages) as live:
        result = optimize(spec, store=store, cache_dir=shared.cache_dir, study=study, listener=live)
        members = all_members(result, store)
    return hand_over(result, members, shared, output)


def all_members(result: RunResult, store: StudyStore) -> list[Member]:
    """Return the views of all evaluated candidates of a study that just ended."""
    from optimizer.fronts import members_of

    study = store.study(result.study)
    return members_of(study, store.candidates(study.id))


def hand_over(result: RunResult, members: Sequence[Member], shared: Shared, output: Path | None) -> None:
    """Print a result and write its report where one is wanted. Raises `NothingFeasibleError`, exit code 3."""
    if output is not None:
        from optimizer.report import write_report

        write_report(result, members, output)
        shared.messages.print(f"report: {output}")
    if shared.as_json:
        shared.answer(result)
    else:
        print_result(result, shared.console)
    if not result.front:
        raise NothingFeasibleError(
            f"nothing is feasible: no candidate kept its drop within {result.epsilon:g}; "
            "the least violating ones are shown. Allow a larger --epsilon or more --trials"
        )
