"""A published rival: masks by Fisher information, rearranged and rescaled, nothing trained (Kwon et al. 2022).

A mask of ones stands before every head and every neuron; removing units raises the loss by the quadratic form of the
masks' Fisher information, to second order. Its diagonal says which units to keep within a budget of FLOPs; its blocks
of single layers then exchange units of a layer whose gradients cancel; at last the masks that are left are solved layer
by layer, front to back, so that each layer's output with its residual is that of the dense model. They are folded into
the weights of the layers that read them.

Written from the paper's description, https://arxiv.org/abs/2204.09656, for encoders whose norms follow the residual
sums, as BERT's do. Counts are rounded to the levels of the groups, which all methods of a comparison share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.sublayers import applied, outputs_of, unit_costs, watched
from optimizer.costs.costs import Cost
from search_spaces.allocation import FloatArray
from search_spaces.config import Config, Form
from search_spaces.groups import Group, GroupKind, config_of
from search_spaces.layouts.surgery import share_structure, sliced
from search_spaces.transforms.passes import Batch, frozen_weights
from search_spaces.transforms.transform import Dense
from search_spaces.transforms.units.gradients import Masks, per_unit, readers_of

SWEEPS = 3  # over the removed units of a layer, or until no exchange lowers the form
DAMPING = 1.0  # of the masks' deviation from 1, as published
LARGEST = 10.0  # a mask beyond it is no rescaling any more: this layer and all behind it keep ones


class FisherMasks:
    """The method on one dense model; the masks are rescaled on the examples of one `batch`."""

    def __init__(self, dense: Dense, flops: Cost, batch: Batch) -> None:
        self._dense, self._flops, self._batch = dense, flops, batch
        self._gradients = example_gradients(dense)
        with torch.inference_mode():
            self._outputs = outputs_of(dense.model, dense.layout, batch)
        self._kept: dict[tuple[str, int], Tensor] = {}

    def config(self, ratio: float) -> Config:
        """Return the levels that keep most diagonal Fisher information at `ratio` of the dense FLOPs."""
        groups = self._dense.layout.groups
        costs, budget = unit_costs(groups, self._flops, ratio)
        information = {name: found.square().mean(dim=0).numpy() for name, found in self._gradients.items()}
        return config_of(groups, counts_within(groups, information, costs, budget), Form.SLICED)

    def build(self, config: Config) -> nn.Module:
        """Return the smaller model, its readers rescaled."""
        layout, levels = self._dense.layout, config.as_dict()
        kept = {g.name: self.kept_units(g, levels[g.name]) for g in layout.groups if levels[g.name] < g.units}
        small = sliced(self._dense.model, layout, kept)
        with torch.inference_mode():
            return rescale(small, [g for g in layout.groups if levels[g.name]], self._batch, self._outputs)

    def kept_units(self, group: Group, count: int) -> Tensor:
        """Return the units of a group that stay, ascending."""
        if (group.name, count) not in self._kept:
            self._kept[group.name, count] = rearranged(self._gradients[group.name], count)
        return self._kept[group.name, count]


def example_gradients(dense: Dense) -> dict[str, Tensor]:
    """Return each calibration example's gradient by the masks, `(examples, units)` by group."""
    twin = share_structure(dense.model)
    found: dict[str, list[Tensor]] = {group.name: [] for group in dense.layout.groups}
    masks = Masks(twin, readers_of(dense.layout))
    with frozen_weights(twin), torch.enable_grad():
        for batch in dense.batches():
            torch.autograd.backward(dense.loss(twin, batch), inputs=masks.all)
            taken = masks.taken()
            for group in dense.layout.groups:
                found[group.name].append(per_unit(group, dense.layout.readers(group), taken))
    return {name: torch.cat(parts) for name, parts in found.items()}


def counts_within(
    groups: Sequence[Group], information: Mapping[str, FloatArray], costs: Mapping[str, float], budget: float
) -> dict[str, int]:
    """Return how many units each group keeps: for every number of heads the neurons that the rest of the budget pays.

    Heads and neurons are each taken by falling `information` `(units,)`, over all layers; `costs` are of one unit.
    The number of heads whose choice keeps most information wins. Raises `ValueError` where nothing fits.
    """
    heads = _Pool([g for g in groups if g.kind == GroupKind.HEADS], information, costs)
    neurons = _Pool([g for g in groups if g.kind != GroupKind.HEADS], information, costs)
    choices = [
        (heads.kept[number] + neurons.kept[fitting], number, fitting)
        for number, spent in enumerate(heads.spent)
        if (fitting := int(np.searchsorted(neurons.spent, budget - spent + 1e-6 * budget, side="right")) - 1) >= 0
    ]
    if not choices:
        raise ValueError("no mask is within the budget")
    _, number, fitting = max(choices)
    return {**heads.counts(number), **neurons.counts(fitting)}


class _Pool:
    """Units of several groups by falling information; `spent` and `kept` `(n + 1,)` add up over the first ones."""

    def __init__(
        self, groups: Sequence[Group], information: Mapping[str, FloatArray], costs: Mapping[str, float]
    ) -> None:
        self._groups = groups
        worth = np.concatenate([information[g.name] for g in groups] or [np.zeros(0)])
        owner = np.repeat(np.arange(len(groups)), [g.units for g in groups])
        order = np.argsort(-worth, kind="stable")
        self._owner = owner[order]
        price = np.array([costs[g.name] for g in groups])
        self.spent = np.concatenate(([0.0], np.cumsum(price[self._owner]) if len(groups) else []))
        self.kept = np.concatenate(([0.0], np.cumsum(worth[order])))

    def counts(self, number: int) -> dict[str, int]:
        """Return how many of the first units belong to each group."""
        found = np.bincount(self._owner[:number], minlength=len(self._groups))
        return {group.name: int(count) for group, count in zip(self._groups, found, strict=True)}


def rearranged(gradients: Tensor, count: int) -> Tensor:
    """Return the `count` units that stay, ascending: removing the others raises the loss least, by the layer's block.

    The block of `gradients` `(examples, units)` is their second moment; the loss rises by its sum over all pairs of
    removed units. The removal of the units with the least diagonal is improved by exchanging one at a time.
    """
    block = gradients.T.double() @ gradients.double()
    diagonal = block.diagonal()
    is_removed = torch.ones(len(block), dtype=torch.bool)
    is_removed[diagonal.argsort(descending=True, stable=True)[:count]] = False
    with_removed = block[:, is_removed].sum(dim=1)  # of every unit, with all removed ones together
    for _ in range(SWEEPS if 0 < count < len(block) else 0):
        before = is_removed.clone()
        for unit in before.nonzero().flatten().tolist():
            with_removed -= block[:, unit]
            is_removed[unit] = False
            rise = (2 * with_removed + diagonal).masked_fill(is_removed, torch.inf)
            best = int(rise.argmin())
            goes = best if rise[best] < rise[unit] else unit
            is_removed[goes] = True
            with_removed += block[:, goes]
        if torch.equal(before, is_removed):
            break
    return (~is_removed).nonzero().flatten()


def rescale(model: nn.Module, groups: Sequence[Group], batch: Batch, wanted: Mapping[str, Tensor]) -> nn.Module:
    """Rescale in place the units of `groups` so that the outputs come near those `wanted`; return the model.

    The masks of a layer are solved when the examples reach its reader, on what the rescaled layers before it give.
    """
    is_over = False

    def at(group: Group, residual: Tensor, inputs: Tensor, reader: nn.Linear) -> None:
        nonlocal is_over
        scales = None if is_over else _scales(group, inputs, reader, wanted[group.name] - residual)
        if scales is None:
            is_over = True
        else:
            reader.weight = nn.Parameter(reader.weight * scales, reader.weight.requires_grad)

    watched(model, groups, batch, at)
    return model


def _scales(group: Group, inputs: Tensor, reader: nn.Linear, wanted: Tensor) -> Tensor | None:
    """Return the factor of every input `(entries,)`, those of one unit alike; None where they are no rescaling.

    With c the contribution of a unit to the outputs, the normal equations over tokens and outputs need the second
    moments of inputs and of inputs with outputs alone: c·c' = (WᵀW) ∘ (HᵀH), summed over the entries of both units.
    """
    weight = reader.weight
    rest = wanted - applied(reader, inputs)  # what a deviation of the masks from 1 has to bring
    pairs = ((weight.T @ weight) * (inputs.T @ inputs)).double()
    towards = (weight * (rest.T @ inputs)).sum(dim=0).double()
    units, size = len(towards) // group.unit_size, group.unit_size
    normal = pairs.reshape(units, size, units, size).sum(dim=(1, 3))
    normal.diagonal().add_(DAMPING)
    deviation, failed = torch.linalg.solve_ex(normal, towards.reshape(units, size).sum(dim=1))
    scales: Tensor = 1 + deviation
    if failed or not bool((scales.abs() <= LARGEST).all()):
        return None
    return scales.repeat_interleave(size).to(weight.dtype)
