"""`optimize front`: a stored front at another ε, by other objectives, under other limits. Nothing is measured."""

from __future__ import annotations

from typing import Annotated, cast, get_args

import typer

from api.cli.context import ApiKey, AsJson, CacheDir, ServerUrl, Storage, StudyName, shared_of
from api.cli.render import print_front
from optimizer.errors import InputError, NothingFeasibleError, UnknownNameError
from optimizer.spec import CostName

Limit = Annotated[float | None, typer.Option(help="Upper limit, of the dense model's; unmeasured members stay out.")]


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("front")(front)


def front(
    ctx: typer.Context,
    study: StudyName,
    epsilon: Annotated[float | None, typer.Option(help="Tolerated drop; the study's own by default.")] = None,
    objectives: Annotated[str | None, typer.Option(help="Costs beside the drop, separated by commas.")] = None,
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
    """Filter what is stored of a study."""
    shared = shared_of(ctx, storage, cache_dir, as_json=as_json, server=server, api_key=api_key)
    if epsilon is not None and not 0 <= epsilon < 1:
        raise InputError("--epsilon", f"must be in [0, 1), got {epsilon}")
    given = {
        "flops": max_flops_ratio,
        "latency": max_latency_ratio,
        "energy": max_energy_ratio,
        "parameters": max_parameters_ratio,
        "size": max_size_ratio,
    }
    limits = {cost: limit for cost, limit in given.items() if limit is not None}
    for cost, limit in limits.items():
        if not 0 < limit <= 1:
            raise InputError(f"--max-{cost}-ratio", f"must be above 0 and at most 1, got {limit:g}")
    with shared.studies() as known:
        result = known.front(study, epsilon=epsilon, objectives=_costs(objectives), limits=limits)
        resume = known.resume_command(result.study)
    if shared.as_json:
        shared.answer(result)
    else:
        print_front(result, shared.console, resume=resume)
    if not result.items:
        raise NothingFeasibleError(f"the front of {result.study!r} is empty: {result.why_empty}")


def _costs(text: str | None) -> list[CostName] | None:
    names = [name for name in (text or "").split(",") if name]
    for name in names:
        if name not in get_args(CostName):
            raise UnknownNameError("--objectives", name, get_args(CostName))
    return cast("list[CostName]", names) or None
