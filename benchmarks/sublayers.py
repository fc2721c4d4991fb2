"""Sub-layers of an encoder, attention and FFN in turn: what one more unit costs, what they read and what they give out.

For encoders whose norms follow the residual sums, as BERT's do: a sub-layer's output is its reader's plus the residual.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from torch import Tensor, nn

from optimizer.costs.costs import Cost
from optimizer.tasks.task import ask
from search_spaces.groups import Group
from search_spaces.layouts.layout import Layout
from search_spaces.layouts.requests import real_tokens
from search_spaces.transforms.passes import Batch

At = Callable[[Group, Tensor, Tensor, nn.Linear], None]


def unit_costs(groups: Sequence[Group], flops: Cost, ratio: float) -> tuple[dict[str, float], float]:
    """Return the FLOPs of one unit of every group, and what `ratio` of the dense FLOPs leaves for all units."""
    costs = {group.name: float(np.ptp(flops.of_levels(group)) / np.ptp(group.levels)) for group in groups}
    fixed = flops.dense - sum(costs[group.name] * group.units for group in groups)
    return costs, ratio * flops.dense - fixed


def outputs_of(model: nn.Module, layout: Layout, batch: Batch) -> dict[str, Tensor]:
    """Return the readers' outputs plus the residuals, at the real tokens: `(tokens, width)` by group."""
    found: dict[str, Tensor] = {}

    def at(group: Group, residual: Tensor, inputs: Tensor, reader: nn.Linear) -> None:
        found[group.name] = applied(reader, inputs) + residual

    watched(model, layout.groups, batch, at)
    return found


def applied(layer: nn.Linear, inputs: Tensor) -> Tensor:
    """Return a layer's outputs, without calling the hooks on it."""
    return nn.functional.linear(inputs, layer.weight, layer.bias)


def watched(model: nn.Module, groups: Sequence[Group], batch: Batch, at: At) -> Tensor:
    """Return the model's outputs on the batch.

    Before each reader runs, `at` is called with the residual and the inputs, both at the real tokens.
    """
    residuals: dict[str, Tensor] = {}

    def entering(group: Group) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            residuals[group.name] = inputs[0][real_tokens(batch, inputs[0])]

        return hook

    def reading(group: Group) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(reader: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            real = inputs[0][real_tokens(batch, inputs[0])]
            at(group, residuals.pop(group.name), real, cast("nn.Linear", reader))

        return hook

    handles = []
    for group in groups:
        handles.append(model.get_submodule(group.producers[0]).register_forward_pre_hook(entering(group)))
        handles.append(model.get_submodule(group.consumers[0]).register_forward_pre_hook(reading(group)))
    try:
        return ask(model, batch)
    finally:
        for handle in handles:
            handle.remove()
