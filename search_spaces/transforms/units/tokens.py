"""Evidence of tokens: what the readers of units see, weighted by how much each token matters to the model's answers.

One forward and one backward pass over the calibration examples. With y a reader's output at a token and g the
gradient of the answers by it, an error e of y changes the answers by gᵀe to first order, so C = E[|g| x xᵀ] of the
inputs and G = E[g gᵀ] are the two factors of the Gauss-Newton matrix of the reader's weights (Martens & Grosse 2015,
sec. 2.2). The exact weight of a token would be |g|²; on 26,000 tokens only a hundredth of them would then count, and
|g| loses less on unseen examples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from search_spaces.groups import Group
from search_spaces.layouts.layers import weight_of
from search_spaces.layouts.requests import real_tokens
from search_spaces.transforms.entries import read_entry, write_entry
from search_spaces.transforms.parts import Part, parts
from search_spaces.transforms.transform import Dense
from search_spaces.transforms.units.damping import factorised, mark_strained
from search_spaces.transforms.units.evidence import MaskGradients, Reader, Reading, by_unit
from search_spaces.transforms.units.gathered import Gathered
from search_spaces.transforms.units.gradients import collect_gradients
from search_spaces.transforms.units.products import add_products, mirrored

LEAST_WEIGHT = 1e-12  # of a token that no answer depends on, so that a layer without any such token has moments too


class TokenEvidence(Gathered):
    """`Evidence` of a model in which every group has one reader, a linear layer that is applied to tokens."""

    folder_name = ""

    def __init__(self, dense: Dense, folder: Path) -> None:
        super().__init__(dense, folder)
        self._groups = {group.consumers[0]: group for group in dense.layout.groups}
        self._gradients: dict[str, MaskGradients] = {}

    def weights(self, group: Group) -> list[Tensor]:
        """Return the rows of the dense producers and the columns of the reader."""
        rows = [
            by_unit(self._weight(link.path)[link.entries], link.units, group.units)
            for link in self.dense.layout.writers(group)
        ]
        return [*rows, self._weight(group.consumers[0]).T.reshape(group.units, -1)]

    def readers(self, group: Group) -> list[Reader]:
        """Return the one reader."""
        reading, weight = self.reading(group.consumers[0]), self._weight(group.consumers[0])
        factor = factorised(reading.felt)[1]
        reader = Reader(
            mean=reading.mean,
            covariance=reading.covariance,
            columns=factor.T @ weight.to(factor.dtype),
            norms=weight.square().sum(dim=0),
            owner=torch.arange(group.units, device=weight.device).repeat_interleave(group.unit_size),
            size=group.unit_size,
        )
        return [reader]

    def gradients(self, group: Group) -> MaskGradients:
        """Return the mask gradients of the group's units, from one pass for all groups."""
        if not self._gradients:
            dense = self.dense
            self._gradients = collect_gradients(dense.model, dense.layout, dense.batches(), dense.loss)
        return self._gradients[group.name]

    def reading(self, path: str) -> Reading:
        """Return what a reader saw, from disk or from one pass for all groups."""
        weight = self._weight(path)
        entry = {name: tensor.to(weight.device) for name, tensor in self.entry(self._moments(path)).items()}
        return Reading(mean=entry["mean"], covariance=entry["covariance"], felt=entry["curvature"])

    def taps(self, path: str) -> int:  # noqa: ARG002 - a token is one position
        """Return 1: every input is a channel of its own."""
        return 1

    def solved_name(self, path: str, columns: Tensor) -> str:
        """Return the name of what is solved for these columns: they follow from their number."""
        group = self._groups[path]
        return f"{group.name}.level-{len(columns) // group.unit_size:05d}"

    def gather(self) -> None:
        """Write the moments of the groups that have none yet, part by part of the model."""
        made = parts(self.dense, self._missing, room=self._room(), scratch=self.folder / "states")
        for done, part in enumerate(made, start=1):
            for path, reading in readings(part).items():
                name = self._groups[path].name
                mark_strained(self.folder, name, reading.covariance)
                moments = {"mean": reading.mean, "covariance": reading.covariance, "curvature": reading.felt}
                write_entry(self.folder / f"{name}.moments.safetensors", moments)
            self.told(done, done + part.left)

    def _missing(self) -> list[str]:
        return [path for path in self._groups if read_entry(self.folder / f"{self._moments(path)}.safetensors") is None]

    def _room(self) -> int:
        """Return the bytes of the moments of all groups."""
        return sum(4 * (len(weight) ** 2 + weight.shape[1] ** 2) for weight in map(self._weight, self._groups))

    def _moments(self, path: str) -> str:
        return f"{self._groups[path].name}.moments"

    def _weight(self, path: str) -> Tensor:
        return weight_of(self.dense.model.get_submodule(path))


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
        add_products(self.products, scaled)
        add_products(self.curvature, gradients)

    def reading(self) -> Reading:
        offset = self.total / self.weight
        covariance = mirrored(self.products).div_(self.weight).addr_(offset, offset, alpha=-1)
        return Reading(mean=self.origin + offset, covariance=covariance, felt=mirrored(self.curvature).div_(self.count))


def readings(part: Part) -> dict[str, Reading]:
    """Return what the readers of a part saw by path, over all their uses; padding is left out.

    Raises `ValueError` when there is no token at all.
    """
    sums: dict[str, _Accumulator] = {}
    uses: list[_Use] = []  # a layer that is used several times is seen as often
    handles = [part.model.get_submodule(path).register_forward_hook(_watch(path, uses)) for path in part.paths]
    try:
        for batch, run in part.steps():
            run()
            for use in uses:
                real = real_tokens(batch, use.inputs)
                if use.path not in sums:
                    sums[use.path] = _Accumulator(use.inputs, use.gradient)
                sums[use.path].add(use.inputs[real], use.gradient[real])
            uses.clear()
    finally:
        for handle in handles:
            handle.remove()
    if part.paths and not sums:
        raise ValueError("no calibration example was given")
    return {path: accumulator.reading() for path, accumulator in sums.items()}


@dataclass(slots=True)
class _Use:
    """The inputs of a reader in one call, `(batch, tokens, width)`, and the gradient of the answers by its outputs."""

    path: str
    inputs: Tensor
    gradient: Tensor

    def feel(self, gradient: Tensor) -> None:
        """Take the gradient, which is zero as long as none comes."""
        self.gradient = gradient.detach()


def _watch(path: str, uses: list[_Use]) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not output.requires_grad:
            output.requires_grad_(True)  # noqa: FBT003 - torch takes it by position
        uses.append(_Use(path, inputs[0].detach(), output.new_zeros(()).expand_as(output)))
        output.register_hook(uses[-1].feel)  # type: ignore[no-untyped-call]

    return hook
