"""Mask gradients: a mask of ones before every reader, and each example's gradient of the loss by it.

The gradient by the masks of a unit, summed over all of its readers and all of their calls, is what removing the unit
does to first order, however many layers are coupled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.groups import Group
from search_spaces.layouts.layout import Layout, Link
from search_spaces.layouts.surgery import share_structure
from search_spaces.transforms.passes import Batch, Loss, frozen_weights
from search_spaces.transforms.units.evidence import MaskGradients


class Masks:
    """Masks before the readers at `paths`, whose gradients are taken after every backward pass."""

    def __init__(self, model: nn.Module, paths: Iterable[str]) -> None:
        self._masks: dict[str, list[Tensor]] = {path: [] for path in paths}
        for path in self._masks:
            model.get_submodule(path).register_forward_pre_hook(self._masked(path))
        model.register_forward_pre_hook(self._count, with_kwargs=True)

    @property
    def all(self) -> list[Tensor]:
        """The masks of the last forward pass."""
        return [mask for masks in self._masks.values() for mask in masks]

    def taken(self) -> dict[str, Tensor]:
        """Return the gradients `(examples, inputs)` by path, summed over calls, on the CPU, and forget the masks."""
        found = {}
        for path, masks in self._masks.items():
            gradients = [torch.zeros_like(mask) if mask.grad is None else mask.grad for mask in masks]
            each = [_by_example(gradient.flatten(1), self._examples) for gradient in gradients]
            found[path] = torch.stack(each).sum(dim=0).cpu()
            masks.clear()
        return found

    def _count(self, _: nn.Module, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        self._examples = next(len(value) for value in (*inputs, *named.values()) if isinstance(value, Tensor))

    def _masked(self, path: str) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            seen, dim = inputs[0], -1 if isinstance(layer, nn.Linear) else 1
            shape = [len(seen), *[1] * (seen.ndim - 1)]
            shape[dim] = seen.shape[dim]
            mask = torch.ones(shape, dtype=seen.dtype, device=seen.device, requires_grad=True)
            self._masks[path].append(mask)
            return (seen * mask, *inputs[1:])

        return hook


class UnitSums:
    """Sums over examples of the gradients by the units of every group."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._absolute = {group.name: torch.zeros(group.units) for group in layout.groups}
        self._squared = {group.name: torch.zeros(group.units) for group in layout.groups}
        self.examples = 0

    def add(self, gradients: Mapping[str, Tensor]) -> None:
        """Add the gradients `(examples, inputs)` of a batch by the readers' paths."""
        for group in self._layout.groups:
            each = per_unit(group, self._layout.readers(group), gradients)
            self._absolute[group.name] += each.abs().sum(dim=0)
            self._squared[group.name] += each.square().sum(dim=0)
        self.examples += len(next(iter(gradients.values())))

    def means(self) -> dict[str, MaskGradients]:
        """Return the statistics by group name. Raises `ValueError` when there was no example."""
        if not self.examples:
            raise ValueError("calibration: no example was given")
        n = self.examples
        return {name: MaskGradients(self._absolute[name] / n, self._squared[name] / n) for name in self._absolute}


def collect_gradients(
    model: nn.Module, layout: Layout, batches: Iterable[Batch], loss: Loss
) -> dict[str, MaskGradients]:
    """Return the statistics of per-example mask gradients by group name; weights get no gradient.

    `loss(model, batch)` returns the summed loss of the batch's examples, a scalar. Raises `ValueError` without any.
    """
    twin = share_structure(model)
    masks, sums = Masks(twin, readers_of(layout)), UnitSums(layout)
    with frozen_weights(twin), torch.enable_grad():
        for batch in batches:
            torch.autograd.backward(loss(twin, batch), inputs=masks.all)
            sums.add(masks.taken())
    return sums.means()


def readers_of(layout: Layout) -> dict[str, list[Link]]:
    """Return, for every layer that reads units of the layout, its links, by path."""
    readers: dict[str, list[Link]] = {}
    for group in layout.groups:
        for link in layout.readers(group):
            readers.setdefault(link.path, []).append(link)
    return readers


def _by_example(gradients: Tensor, examples: int) -> Tensor:
    """Return the sums `(n, inputs)` over the parts of every example, such as windows, that a layer sees as examples.

    Where the first dimension holds something else, every example gets the same share.
    """
    if len(gradients) % examples:
        return gradients.sum(dim=0).div(examples).expand(examples, -1)
    return gradients.reshape(examples, -1, gradients.shape[1]).sum(dim=1)


def per_unit(group: Group, links: Sequence[Link], gradients: Mapping[str, Tensor]) -> Tensor:
    """Return each example's gradient by the units' masks, summed over readers: `(examples, units)`."""
    examples = len(gradients[links[0].path])
    total = torch.zeros(examples, group.units)
    for link in links:
        total.index_add_(1, link.units, gradients[link.path][:, link.entries])
    return total
