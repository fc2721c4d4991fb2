"""`optimize recommend`: one member of a front, chosen by a rule, in plain words."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.commands.front import Limit, checked_epsilon, checked_limits, costs_named
from api.cli.context import ApiKey, AsJson, CacheDir, ServerUrl, Storage, StudyName, shared_of
from api.cli.render import member_in_words


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("recommend")(recommend)


def recommend(
    ctx: typer.Context,
    study: StudyName,
    rule: Annotated[
        str,
        typer.Option(help="knee, weights (least weighted sum), lexicographic (cost by cost) or budget (of drop)."),
    ] = "knee",
    weight: Annotated[
        list[str] | None,
        typer.Option(help="For weights: NAME:NUMBER; drop counts in units of ε, a cost as a ratio; may repeat."),
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="For lexicographic: costs separated by commas, most important first.")
    ] = None,
    max_drop: Annotated[float | None, typer.Option(help="For budget: the largest drop; ε by default.")] = None,
    epsilon: Annotated[float | None, typer.Option(help="Tolerated drop; the study's own by default.")] = None,
    objectives: Annotated[str | None, typer.Option(help="Costs to compare with the drop, separated by commas.")] = None,
    max_flops_ratio: Limit = None,
    max_latency_ratio: Limit = None,
    max_energy_ratio: Limit = None,
    max_parameters_ratio: Limit = None,
    max_size_ratio: Limit = None,
    storage: Storage = None,
    cache_dir: CacheDir = None,
    as_json: AsJson = False,
    server: ServerUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Recommend one member of a study's front."""
    shared = shared_of(ctx, storage, cache_dir, as_json=as_json, server=server, api_key=api_key)
    limits = checked_limits(
        flops=max_flops_ratio,
        latency=max_latency_ratio,
        energy=max_energy_ratio,
        parameters=max_parameters_ratio,
        size=max_size_ratio,
    )
    chosen, by = checked_epsilon(epsilon), costs_named("--objectives", objectives)
    costs = costs_named("--order", order)
    with shared.studies() as known:
        front = known.front(study, epsilon=chosen, objectives=by, limits=limits)
    from optimizer.recommendation import parsed_weights, recommend  # brings moocore, as the front did

    found = recommend(front, rule, weights=parsed_weights(weight or []), order=costs, max_drop=max_drop)
    if shared.as_json:
        return shared.answer(found)
    shared.console.print(found.reason, highlight=False, markup=False)
    return shared.console.print(member_in_words(found.member), highlight=False, markup=False)
