"""Moments: mean and covariance of every consumer's inputs, from one pass over the calibration examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from search_spaces.criteria.evidence import Moments
from search_spaces.groups import Group

Batch = Mapping[str, Tensor]


class _Accumulator:
    """Running sums over tokens; float32 products, summed per batch."""

    def __init__(self, width: int, device: torch.device) -> None:
        self.count = 0
        self.total = torch.zeros(width, dtype=torch.float64, device=device)
        self.products = torch.zeros(width, width, device=device)

    def add(self, rows: Tensor) -> None:
        self.count += len(rows)
        self.total += rows.sum(dim=0)
        self.products.addmm_(rows.T, rows)

    def moments(self) -> Moments:
        mean = (self.total / self.count).float()
        covariance = self.products.div_(self.count).addr_(mean, mean, alpha=-1)
        return Moments(self.count, mean, covariance)


def collect_moments(model: nn.Module, groups: Sequence[Group], batches: Iterable[Batch]) -> dict[str, Moments]:
    """Return the moments of every group's consumer inputs by group name.

    `batches` are model inputs with an `attention_mask` `(batch, tokens)`; padding is left out. Raises `ValueError`
    when there is no token at all.
    """
    device = next(model.parameters()).device
    sums = {group.name: _Accumulator(group.units * group.unit_size, device) for group in groups}
    real: list[Tensor] = []  # the attention mask of the batch under way

    def watch(accumulator: _Accumulator) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda _, inputs: accumulator.add(inputs[0][real[0]])

    handles = [
        model.get_submodule(path).register_forward_pre_hook(watch(sums[group.name]))
        for group in groups
        for path in group.consumers
    ]
    try:
        with torch.inference_mode():
            for batch in batches:
                real[:] = [batch["attention_mask"].bool()]
                model(**{name: value for name, value in batch.items() if name != "labels"})
    finally:
        for handle in handles:
            handle.remove()
    if not real:
        raise ValueError("no calibration example was given")
    return {name: accumulator.moments() for name, accumulator in sums.items()}
