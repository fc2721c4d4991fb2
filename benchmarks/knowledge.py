"""A published rival: knowledge-preserving pruning, nothing trained (K-prune; Park, Choi & Kang 2024).

Sub-layers are pruned bottom-up. Before each one the knowledge of all units that are left is measured: what the dense
model's predictions would lose with a unit (their Kullback-Leibler divergence) and what the output of its sub-layer
would lose (the mean squared error). Units of all sub-layers above compete by knowledge per FLOP for what is left of the
budget; those of this one that lose are removed, and its output weights are solved so that its output with the
residual is that of the dense model. So every sub-layer makes good what those below it lost.

Written from the paper's abstract and summaries, https://arxiv.org/abs/2308.03449, without its code. Decided here: the
divergence is taken to second order, by the Fisher information of predictions at temperature 2; the two kinds of
knowledge count alike, each as a share of all that is left; the least squares are damped as the layer bank's. Counts are
rounded to the levels of the groups, which all methods of a comparison share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from benchmarks.sublayers import outputs_of, unit_costs, watched
from optimizer.costs.costs import Cost
from search_spaces.config import Config, Form
from search_spaces.groups import Group, config_of
from search_spaces.layouts.surgery import share_structure, sliced
from search_spaces.transforms.passes import Batch, frozen_weights
from search_spaces.transforms.transform import Dense
from search_spaces.transforms.units.damping import factorised
from search_spaces.transforms.units.gradients import Masks, per_unit

TEMPERATURE = 2.0


class KnowledgePruning:
    """The method on one dense classifier: it measures knowledge on `measured`, and solves weights on `tuned`."""

    def __init__(self, dense: Dense, flops: Cost, *, measured: Sequence[Batch], tuned: Batch) -> None:
        self._dense, self._flops, self._measured, self._tuned = dense, flops, measured, tuned
        with torch.inference_mode():
            self._outputs = outputs_of(dense.model, dense.layout, tuned)
        self._kept: dict[Config, Mapping[str, Tensor]] = {}

    def config(self, ratio: float) -> Config:
        """Prune to `ratio` of the dense FLOPs, sub-layer by sub-layer, and return the levels that are left."""
        groups = self._dense.layout.groups
        costs, budget = unit_costs(groups, self._flops, ratio)
        student, probe = share_structure(self._dense.model), share_structure(self._dense.model)
        kept: dict[str, Tensor] = {}

        def at(group: Group, residual: Tensor, inputs: Tensor, reader: nn.Linear) -> None:
            nonlocal budget
            left = [each for each in groups if each.name not in kept]
            knowledge = self._knowledge(probe, left) if kept else self._at_first
            units = kept[group.name] = kept_units(group, knowledge, costs, budget)
            budget -= costs[group.name] * len(units)
            solve(group, units, inputs, reader, self._outputs[group.name] - residual)
            pruned = probe.get_submodule(group.consumers[0])
            pruned.weight, pruned.bias = reader.weight, reader.bias

        with torch.no_grad():
            watched(student, groups, self._tuned, at)
        config = config_of(groups, {name: len(units) for name, units in kept.items()}, Form.SLICED)
        self._kept.setdefault(config, kept)
        return config

    def build(self, config: Config) -> nn.Module:
        """Return the smaller model of a config that `config` has returned, its readers solved."""
        layout, kept = self._dense.layout, self._kept[config]
        small = sliced(
            self._dense.model, layout, {g.name: kept[g.name] for g in layout.groups if len(kept[g.name]) < g.units}
        )

        def at(group: Group, residual: Tensor, inputs: Tensor, reader: nn.Linear) -> None:
            every = torch.arange(len(kept[group.name]))
            solve(group, every, inputs, reader, self._outputs[group.name] - residual)

        with torch.no_grad():
            watched(small, [group for group in layout.groups if len(kept[group.name])], self._tuned, at)
        return small

    @cached_property
    def _at_first(self) -> Mapping[str, Tensor]:
        """What the units of the dense model know, with which every ratio begins."""
        return self._knowledge(self._dense.model, self._dense.layout.groups)

    def _knowledge(self, model: nn.Module, groups: Sequence[Group]) -> dict[str, Tensor]:
        """Return what the units of `groups` know, `(units,)` by group: the sum of their shares of both kinds."""
        predictive = {group.name: torch.zeros(group.units) for group in groups}
        representational = {group.name: torch.zeros(group.units) for group in groups}
        twin, layout = share_structure(model), self._dense.layout
        generator = torch.Generator().manual_seed(0)

        def at(group: Group, _: Tensor, inputs: Tensor, reader: nn.Linear) -> None:
            representational[group.name] += squared_outputs(group, inputs.detach(), reader.weight.detach()).cpu()

        masks = Masks(twin, [group.consumers[0] for group in groups])
        with frozen_weights(twin), torch.enable_grad():
            for batch in self._measured:
                outputs = watched(twin, groups, batch, at)
                torch.autograd.backward(projected(outputs, generator), inputs=masks.all)
                taken = masks.taken()
                for group in groups:
                    predictive[group.name] += per_unit(group, layout.readers(group), taken).square().sum(dim=0)
        said, shown = (sum(float(found.sum()) for found in kind.values()) for kind in (predictive, representational))
        return {g.name: predictive[g.name] / said + representational[g.name] / shown for g in groups}


def projected(outputs: Tensor, generator: torch.Generator) -> Tensor:
    """Return a sum over examples whose squared gradient is, on average, the curvature of their predictions' divergence.

    The curvature of the divergence from p to a changed p is the Fisher information, the mean of (d log p)² under p. Its
    sum over classes is taken along one random direction per example.
    """
    log = (outputs / TEMPERATURE).log_softmax(dim=-1)
    signs = torch.randint(0, 2, log.shape, generator=generator).to(log) * 2 - 1
    return (signs * log.detach().div(2).exp() * log).sum()


def squared_outputs(group: Group, inputs: Tensor, weight: Tensor) -> Tensor:
    """Return the squared norms of what each unit adds to the outputs of a reader, summed over tokens: `(units,)`."""
    rows, blocks = (each.reshape(len(each), group.units, group.unit_size) for each in (inputs, weight))
    products = torch.einsum("ous,our->usr", blocks, blocks)
    squares: Tensor = torch.einsum("tus,usr->tur", rows, products) * rows
    return squares.sum(dim=(0, 2))


def kept_units(group: Group, knowledge: Mapping[str, Tensor], costs: Mapping[str, float], budget: float) -> Tensor:
    """Return the units of `group` that stay, ascending, where all units compete by knowledge per FLOP for a budget.

    Their number is the nearest level of the group, among its best ones.
    """
    owner = [name for name, found in knowledge.items() for _ in found]
    price = torch.tensor([costs[name] for name in owner], dtype=torch.float64)
    worth = torch.cat(list(knowledge.values())).double() / price
    order = worth.argsort(descending=True, stable=True)
    affordable = order[: int((price[order].cumsum(dim=0) <= budget * (1 + 1e-6)).sum())]
    count = group.nearest_level(sum(owner[index] == group.name for index in affordable.tolist()))
    return knowledge[group.name].argsort(descending=True, stable=True)[:count].sort().values


def solve(group: Group, units: Tensor, inputs: Tensor, reader: nn.Linear, wanted: Tensor) -> None:
    """Solve in place the weights of `reader` for the `units` that stay, so that its outputs come near those `wanted`.

    Least squares over tokens for the deviation from the weights as they are; the others become zero. Without any unit
    the bias stays as it is.
    """
    entries = (units[:, None] * group.unit_size + torch.arange(group.unit_size)).flatten().to(inputs.device)
    weight, bias = torch.zeros_like(reader.weight), reader.bias.detach()
    if len(entries):
        seen, old = inputs[:, entries], reader.weight[:, entries]
        missing = wanted - nn.functional.linear(seen, old, reader.bias)
        centred, constant = seen - seen.mean(dim=0), missing.mean(dim=0)
        moments = factorised(centred.T @ centred)[1]
        change = torch.cholesky_solve((centred.T @ (missing - constant)).double(), moments).T.to(old.dtype)
        weight[:, entries] = old + change
        bias = reader.bias + constant - change @ seen.mean(dim=0)
    reader.weight, reader.bias = nn.Parameter(weight), nn.Parameter(bias)
