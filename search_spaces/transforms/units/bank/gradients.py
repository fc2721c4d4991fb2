"""Mask gradients: one forward and backward pass over the calibration examples, a mask of ones on every unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from search_spaces.groups import Group
from search_spaces.transforms.passes import Batch, Loss, frozen_weights
from search_spaces.transforms.units.criteria.evidence import MaskGradients


def collect_gradients(
    model: nn.Module, groups: Sequence[Group], batches: Iterable[Batch], loss: Loss
) -> dict[str, MaskGradients]:
    """Return the statistics of per-example mask gradients by group name.

    `loss(model, batch)` returns the summed loss of the batch's examples, a scalar. Weights get no gradient.
    """
    masks: dict[str, Tensor] = {}
    absolute = {group.name: torch.zeros(group.units) for group in groups}
    squared = {group.name: torch.zeros(group.units) for group in groups}
    examples = 0

    def masked(group: Group) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            if group.name not in masks:  # a layer that is used several times has one mask: its gradients add up
                shape = (len(inputs[0]), 1, group.units)
                masks[group.name] = torch.ones(shape, device=inputs[0].device, requires_grad=True)
            mask = masks[group.name]
            return (inputs[0] * mask.repeat_interleave(group.unit_size, dim=2), *inputs[1:])

        return hook

    handles = [
        model.get_submodule(path).register_forward_pre_hook(masked(group))
        for group in groups
        for path in group.consumers
    ]
    try:
        with frozen_weights(model):
            for batch in batches:
                masks.clear()
                total = loss(model, batch)
                for name, gradient in zip(masks, torch.autograd.grad(total, list(masks.values())), strict=True):
                    per_example = gradient[:, 0].cpu()
                    absolute[name] += per_example.abs().sum(dim=0)
                    squared[name] += per_example.square().sum(dim=0)
                examples += len(per_example)
    finally:
        for handle in handles:
            handle.remove()
    return {name: MaskGradients(absolute[name] / examples, squared[name] / examples) for name in absolute}
