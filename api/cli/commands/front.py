"""`optimize front`: a stored front at another ε, by other objectives, under other limits. Nothing is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from api.cli.bundles import taking
from api.cli.context import Shared, StudyName, shared_of
from api.cli.render import print_front
from api.cli.spec_options import limits_of
from optimizer.errors import InputError, NothingFeasibleError


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("front")(front)


@dataclass(frozen=True)
class Filter:
    """What narrows a front; `limits` by cost."""

    epsilon: float | None
    objectives: list[str] | None
    limits: dict[str, float]


@taking(limits=limits_of)
def filter_of(
    *,
    epsilon: Annotated[float | None, typer.Option(help="Tolerated drop; the study's own by default.")] = None,
    objectives: Annotated[str | None, typer.Option(help="Costs to compare with the drop, separated by commas.")] = None,
    limits: dict[str, float],
) -> Filter:
    """Return a filter from its options. Raises `InputError`."""
    return Filter(_checked_epsilon(epsilon), costs_named(objectives), limits)


@taking(chosen=filter_of, shared=shared_of)
def front(
    *,
    shared: Shared,
    chosen: Filter,
    study: StudyName,
) -> None:
    """Filter a study's stored candidates."""
    with shared.studies() as known:
        result = known.front(study, epsilon=chosen.epsilon, objectives=chosen.objectives, limits=chosen.limits)
        resume = known.resume_command(result.study)
    if shared.as_json:
        shared.answer(result)
    else:
        print_front(result, shared.console, resume=resume)
    if not result.items:
        raise NothingFeasibleError(f"the front of {result.study!r} is empty: {result.why_empty}")


def _checked_epsilon(epsilon: float | None) -> float | None:
    """Return ε. Raises `InputError` for one that no study can have."""
    if epsilon is not None and not 0 <= epsilon < 1:
        raise InputError("--epsilon", f"must be in [0, 1), got {epsilon}")
    return epsilon


def costs_named(text: str | None) -> list[str] | None:
    """Return the costs in a text that separates them by commas, None where it names none."""
    return [name for name in (text or "").split(",") if name] or None
