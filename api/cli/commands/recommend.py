"""`optimize recommend`: one member of a front, chosen by a rule, in plain words."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.bundles import taking
from api.cli.commands.front import Filter, costs_named, filter_of
from api.cli.context import Shared, StudyName, shared_of
from api.cli.render import member_in_words
from api.cli.saying import say


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("recommend")(recommend)


@taking(chosen=filter_of, shared=shared_of)
def recommend(
    *,
    shared: Shared,
    chosen: Filter,
    study: StudyName,
    rule: Annotated[
        str | None,
        typer.Option(
            help="knee (the default), drop (smallest predicted; the default without ε), weights (least weighted sum), "
            "lexicographic (cost by cost) or budget (of drop)."
        ),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(help="For weights: NAME:NUMBER; drop counts in units of ε, a cost as a ratio; may repeat."),
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="For lexicographic: costs separated by commas, most important first.")
    ] = None,
    max_drop: Annotated[float | None, typer.Option(help="For budget: the largest drop; ε by default.")] = None,
) -> None:
    """Recommend one member of a study's front."""
    costs = costs_named(order)
    with shared.studies() as known:
        front = known.front(study, epsilon=chosen.epsilon, objectives=chosen.objectives, limits=chosen.limits)
    from optimizer.fronts.recommendation import parsed_weights, recommend  # brings moocore, as the front did

    found = recommend(front, rule, weights=parsed_weights(weight or []), order=costs, max_drop=max_drop)
    if shared.as_json:
        return shared.answer(found)
    say(shared.console, found.reason)
    return say(shared.console, member_in_words(found.member))
