"""Evidence: one forward and backward pass over the calibration batches gives criteria and solves all they need.

A mask of ones precedes every reader. The gradient of an example's loss by the masks of a unit, summed over all of
its readers, is what removing the unit does to first order, however many layers are coupled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from search_spaces.layouts.layout import Axis, Layout, Link
from search_spaces.layouts.surgery import share_structure
from search_spaces.transforms.passes import frozen_weights
from search_spaces.transforms.units.channels.reading import Reading, by_channel, read_weight, taps_of
from search_spaces.transforms.units.criteria.evidence import MaskGradients

Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True)
class Collected:
    """What one pass gathered: `readings` by the readers' paths, `gradients` by the groups' names."""

    readings: dict[str, Reading]
    gradients: dict[str, MaskGradients]


def readers_of(space: Layout) -> dict[str, list[Link]]:
    """Return, for every layer that reads channels of the space, its links, by path."""
    readers: dict[str, list[Link]] = {}
    for links in space.links.values():
        for link in links:
            if link.axis is Axis.COLUMNS:
                readers.setdefault(link.path, []).append(link)
    return readers


def collect(
    model: nn.Module, space: Layout, batches: Iterable[Batch], loss: Callable[[nn.Module, Batch], Tensor]
) -> Collected:
    """Return readings and mask gradients; `loss(model, batch)` is the summed loss of the batch's examples.

    The model is run in evaluation mode and left as it is. Raises `ValueError` when there is no batch.
    """
    twin = share_structure(model).eval()
    watchers = {path: _Watcher(twin.get_submodule(path), links) for path, links in readers_of(space).items()}
    norms = _Norms(twin, watchers)
    sums = {group.name: _Sums(torch.zeros(group.units), torch.zeros(group.units)) for group in space.groups}
    examples = 0
    with frozen_weights(twin), torch.enable_grad():
        for batch in batches:
            total = loss(twin, batch)
            masks = [mask for watcher in watchers.values() for mask in watcher.masks]
            torch.autograd.backward(total, inputs=masks)
            per_reader = {path: watcher.taken_gradients() for path, watcher in watchers.items()}
            for group in space.groups:
                sums[group.name].add(_per_unit(group.units, space.readers(group), per_reader))
            norms.forget()
            examples += len(masks[0])
    if not examples:
        raise ValueError("calibration: no example was given")
    return Collected(
        {path: watcher.reading(examples, norms.behind.get(path)) for path, watcher in watchers.items()},
        {name: MaskGradients(each.absolute / examples, each.squared / examples) for name, each in sums.items()},
    )


@dataclass
class _Sums:
    absolute: Tensor
    squared: Tensor

    def add(self, gradients: Tensor) -> None:
        self.absolute += gradients.abs().sum(dim=0)
        self.squared += gradients.square().sum(dim=0)


def _per_unit(units: int, links: Iterable[Link], gradients: dict[str, Tensor]) -> Tensor:
    """Return each example's gradient by the units' masks, summed over readers: `(examples, units)`."""
    return sum(
        (
            torch.zeros(len(gradients[link.path]), units).index_add_(
                1, link.units, gradients[link.path][:, link.entries]
            )
            for link in links
        ),
        torch.zeros(1, units),
    )


class _Watcher:
    """Hooks on one reader: moments of its inputs, a mask before it, the gradients behind it."""

    def __init__(self, layer: nn.Module, links: list[Link]) -> None:
        self._layer, self._taps = layer, taps_of(layer, links)
        self._dim = -1 if isinstance(layer, nn.Linear) else 1  # of inputs and outputs that counts channels
        self.masks: list[Tensor] = []
        weight = read_weight(layer, self._taps)
        outputs, channels, _ = weight.shape
        self._positions = 0
        self._total = weight.new_zeros(channels, dtype=torch.float32)
        self._products = weight.new_zeros(channels, channels, dtype=torch.float32)
        self._felt = weight.new_zeros(outputs, dtype=torch.float32)
        layer.register_forward_pre_hook(self._before)
        layer.register_forward_hook(self._behind)

    def taken_gradients(self) -> Tensor:
        """Return the masks' gradients `(examples, inputs)`, summed over the layer's calls, and forget the masks."""
        masks, self.masks = self.masks, []
        gradients = [torch.zeros_like(mask) if mask.grad is None else mask.grad for mask in masks]
        return torch.stack([gradient.flatten(1) for gradient in gradients]).sum(dim=0).cpu()

    def reading(self, examples: int, norm: str | None) -> Reading:
        mean = self._total / self._positions
        covariance = (self._products / self._positions).addr_(mean, mean, alpha=-1)
        felt = self._felt / examples
        return Reading(mean=mean.cpu(), covariance=covariance.cpu(), felt=felt.cpu(), norm=norm)

    def _before(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        seen = inputs[0]
        rows = by_channel(seen.detach(), self._layer, self._taps).float()
        self._positions += len(rows)
        self._total += rows.sum(dim=0)
        self._products.addmm_(rows.T, rows)
        shape = [len(seen), *[1] * (seen.ndim - 1)]
        shape[self._dim] = seen.shape[self._dim]
        mask = torch.ones(shape, dtype=seen.dtype, device=seen.device, requires_grad=True)
        self.masks.append(mask)
        return (seen * mask, *inputs[1:])

    def _behind(self, _: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        # a hook of the tensor, not its gradient: an activation may overwrite it in place
        output.register_hook(self._feel)  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def _feel(self, gradient: Tensor) -> None:
        self._felt += gradient.detach().movedim(self._dim, -1).flatten(0, -2).float().square().sum(dim=0)


class _Norms:
    """Which batch norm directly follows which reader: its input is that reader's very output."""

    def __init__(self, model: nn.Module, readers: Iterable[str]) -> None:
        self.behind: dict[str, str] = {}
        self._last: dict[str, Tensor] = {}
        for path in readers:
            model.get_submodule(path).register_forward_hook(lambda *call, path=path: self._remember(path, call[-1]))
        for path, module in model.named_modules():
            if isinstance(module, _BatchNorm) and module.track_running_stats:
                module.register_forward_pre_hook(lambda _, inputs, path=path: self._match(path, inputs[0]))

    def forget(self) -> None:
        """Release the outputs of the last batch."""
        self._last.clear()

    def _remember(self, path: str, output: Tensor) -> None:
        self._last[path] = output

    def _match(self, norm: str, seen: Tensor) -> None:
        for path, output in self._last.items():
            if output is seen:
                self.behind[path] = norm
