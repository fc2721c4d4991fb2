"""Moments: what the consumers of the units see, weighted by how much each token matters to the model's answers.

One forward and one backward pass over the calibration examples. With y a consumer's output at a token and g the
gradient of the answers by it, an error e of y changes the answers by gᵀe to first order, so C = E[|g| x xᵀ] of the
inputs and G = E[g gᵀ] are the two factors of the Gauss-Newton matrix of the consumer's weights (Martens & Grosse 2015,
sec. 2.2). The exact weight of a token would be |g|²; on 26,000 tokens only a hundredth of them would then count, and
|g| loses less on unseen examples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from search_spaces.groups import Group
from search_spaces.layouts.requests import real_tokens
from search_spaces.transforms.passes import Answers, Batch, frozen_weights
from search_spaces.transforms.units.criteria.evidence import Moments

LEAST_WEIGHT = 1e-12  # of a token that no answer depends on, so that a layer without any such token has moments too
Use = tuple[str, Tensor, Tensor]  # a group, inputs and outputs of its consumer in one call, each (batch, tokens, width)


class _Accumulator:
    """Running sums over tokens; float32 products, summed per batch.

    Inputs are taken from an `origin` near their mean: products of inputs far from zero would lose a small variance in
    their last digits, and the covariance would not be positive.
    """

    def __init__(self, inputs: Tensor, outputs: Tensor) -> None:
        width, out, device = inputs.shape[-1], outputs.shape[-1], inputs.device
        self.origin = inputs.reshape(-1, width).mean(dim=0)
        self.count, self.weight = 0, 0.0
        self.total = torch.zeros(width, device=device)
        self.products = torch.zeros(width, width, device=device)
        self.curvature = torch.zeros(out, out, device=device)

    def add(self, rows: Tensor, gradients: Tensor) -> None:
        weights = gradients.norm(dim=1, keepdim=True).clamp_min(LEAST_WEIGHT)
        centred = rows - self.origin
        scaled = centred * weights.sqrt()
        self.count += len(rows)
        self.weight += float(weights.sum())
        self.total += (centred * weights).sum(dim=0)
        self.products.addmm_(scaled.T, scaled)
        self.curvature.addmm_(gradients.T, gradients)

    def moments(self) -> Moments:
        offset = self.total / self.weight
        covariance = self.products.div_(self.weight).addr_(offset, offset, alpha=-1)
        return Moments(self.count, self.origin + offset, covariance, self.curvature.div_(self.count))


def collect_moments(
    model: nn.Module, groups: Sequence[Group], batches: Iterable[Batch], answers: Answers
) -> dict[str, Moments]:
    """Return the moments of every group's consumer by group name, over all its uses.

    `batches` are model inputs, of texts with an `attention_mask` `(batch, tokens)`; padding is left out. `answers`
    returns the model's outputs `(batch, outputs)`, of which a random projection per example is derived: its squared
    gradient is on average that of all outputs. Raises `ValueError` when there is no token at all.
    """
    sums: dict[str, _Accumulator] = {}
    uses: list[Use] = []  # a layer that is used several times is seen as often
    generator = torch.Generator().manual_seed(0)
    handles = [model.get_submodule(g.consumers[0]).register_forward_hook(_watch(g.name, uses)) for g in groups]
    try:
        with frozen_weights(model), torch.enable_grad():
            for batch in batches:
                uses.clear()
                outputs = answers(model, batch)
                signs = torch.randint(0, 2, outputs.shape, generator=generator).to(outputs) * 2 - 1
                gradients = torch.autograd.grad((outputs * signs).sum(), [output for _, _, output in uses])
                for (name, inputs, output), gradient in zip(uses, gradients, strict=True):
                    real = real_tokens(batch, inputs)
                    sums.setdefault(name, _Accumulator(inputs, output)).add(inputs[real], gradient[real])
    finally:
        for handle in handles:
            handle.remove()
    if not sums:
        raise ValueError("no calibration example was given")
    return {name: accumulator.moments() for name, accumulator in sums.items()}


def _watch(name: str, uses: list[Use]) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not output.requires_grad:
            output.requires_grad_(True)  # noqa: FBT003 - torch takes it by position
        uses.append((name, inputs[0].detach(), output))

    return hook
