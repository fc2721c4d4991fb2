"""Costs from a latency table, added where a study needs them: latency, and energy modelled from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from objectives.energy.computed import NOTHING, Computed, Traffic
from objectives.energy.modelled import EnergyModel, model_of
from optimizer.costs.costs import Cost, WeightedSum
from optimizer.spec import StudySpec


def add_proposed_costs(
    costs: Mapping[str, Cost], spec: StudySpec, device: torch.device, latency: Callable[[], Cost]
) -> dict[str, Cost]:
    """Return the costs with "latency" and "energy" added where the spec's objectives or limits ask for them.

    `latency` builds or reads the table; it is called only where needed.
    """
    wanted = wanted_costs(spec)
    if not wanted & {"latency", "energy"}:
        return dict(costs)
    seconds = latency()
    added: dict[str, Cost] = {"latency": seconds} if "latency" in wanted else {}
    if "energy" in wanted:
        added["energy"] = _energy(costs, seconds, spec, device)
    return {**costs, **added}


def wanted_costs(spec: StudySpec) -> set[str]:
    """Return the costs that a spec's objectives and limits name."""
    return {*spec.objectives, *(n.removesuffix("_ratio") for n, v in spec.limits.model_dump().items() if v)}


def constants_of(spec: StudySpec, device: torch.device) -> str | None:
    """Return from where the constants are by which energy is proposed, None where it is not."""
    return model_of(device).profile.source if "energy" in wanted_costs(spec) else None


def _energy(costs: Mapping[str, Cost], latency: Cost, spec: StudySpec, device: torch.device) -> Cost:
    """Energy per inference: arithmetic, one read of the weights per request, power over its time.

    Weights are read from where the dense model's are, so that the sum stays linear.
    """
    batch = spec.batch_sizes[0]
    model = model_of(device, threads=threads_of(spec))
    return WeightedSum(
        (model.joules(Computed.of(1.0, Traffic.once(0.0)), 0.0), costs["flops"]),
        (_of_weights(model, costs["size"].dense) / batch, costs["size"]),
        (model.joules(NOTHING, 1.0) / batch, latency),
    )


def _of_weights(model: EnergyModel, size: float) -> float:
    """Return the joules of one byte of weights that take so many."""
    return model.joules(Computed({}, Traffic.once(size)), 0.0) / size


def threads_of(spec: StudySpec) -> int:
    """Return the CPU threads of the request."""
    return spec.threads or torch.get_num_threads()
