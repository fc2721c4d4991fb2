"""Moments: the second moments of what layers read or write over the calibration examples, gathered in one pass.

A position counts as much as the answers depend on it: with g the gradient of the answers by what a layer writes there,
by |g|. An error e that a layer makes changes the answers by gᵀe to first order, so the moments of g say which errors
they feel. Both are the factors of the Gauss-Newton matrix (`units/tokens.py`). They are kept once per dense model, for
every transform that goes by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from search_spaces.layouts.requests import real_tokens
from search_spaces.transforms.entries import read_entry, write_entry
from search_spaces.transforms.parts import Part, parts
from search_spaces.transforms.passes import Batch
from search_spaces.transforms.transform import Dense

VERSION = 2  # raise when what is gathered changes
READ, WRITTEN, FELT = "inputs", "outputs", "gradients"
WIDEST = 8192  # inputs of a linear layer that is known by what it reads: those behind a flatten are more
LEAST_WEIGHT = 1e-12  # of a position that no answer depends on, so that a layer without any other has moments too
UNSEEN = 0.5  # of the moments of an embedding: all of its rows alike, as other texts have other tokens


class Moments:
    """The moments of the layers of one dense model, on disk below `root`."""

    def __init__(self, dense: Dense, root: Path) -> None:
        self._dense, self.folder = dense, root / dense.key(f"moments {VERSION}").digest

    def fill(self, paths: Sequence[str]) -> None:
        """Gather, part by part of the model, those of the layers at `paths` that are not there yet.

        Raises as `gather` does.
        """

        def missing() -> list[str]:
            return [path for path in paths if read_entry(self._place(path)) is None]

        if wanted := missing():
            room = sum(_Sums(self._dense.model.get_submodule(path)).nbytes for path in wanted)
            for each in parts(self._dense, missing, room=room, scratch=self.folder / "states"):
                for path, entry in gather(each).items():
                    write_entry(self._place(path), entry)

    def of(self, path: str) -> dict[str, Tensor]:
        """Return those of the layer at `path`, as `gather` does."""
        entry = read_entry(self._place(path))
        if entry is None:
            self.fill([path])
            entry = read_entry(self._place(path))
        if entry is None:
            raise OSError(f"{self._place(path)} vanished while it was being read; run again")
        return entry

    def _place(self, path: str) -> Path:
        return self.folder / f"{path}.safetensors"


def part(moments: Tensor, entries: Tensor | None) -> Tensor:
    """Return the moments of some inputs or outputs, int64 `(entries,)`, all of them by default."""
    if entries is None:
        return moments
    chosen = entries.to(moments.device)
    return moments[chosen][:, chosen]


def gather(part: Part) -> dict[str, dict[str, Tensor]]:
    """Return the moments of the layers of a part of a model, float32, those of what they read or write about zero.

    Linear layers are known by what they read, `(columns, columns)` under READ, of which units may leave a part;
    convolutions, embeddings and very wide linear layers by what they write, without the bias, `(rows, rows)` under
    WRITTEN; FELT holds those of the gradients, `(rows, rows)`. Padding is left out. Raises `ValueError` where there is
    no calibration example.
    """
    sums = {path: _Sums(part.model.get_submodule(path)) for path in part.paths}
    for batch, run in part.steps():
        calls: list[_Call] = []
        handles = [each.layer.register_forward_hook(partial(_watch, each, batch, calls)) for each in sums.values()]
        try:
            run()
        finally:
            for handle in handles:
                handle.remove()
        for call in calls:
            call.end()
    return {path: each.entry() for path, each in sums.items()}


class _Sums:
    """Running sums over all positions of a layer; float32 products, summed per call."""

    def __init__(self, layer: nn.Module) -> None:
        self.layer, self._weight = layer, layer.get_parameter("weight").detach()
        self._is_conv = isinstance(layer, nn.Conv2d)
        self._reads = isinstance(layer, nn.Linear) and layer.in_features <= WIDEST
        self.written = self._weight.shape[1] if isinstance(layer, nn.Embedding) else len(self._weight)
        self._width = self._weight.shape[1] if self._reads else self.written
        self._count, self._total = 0, 0.0

    @property
    def nbytes(self) -> int:
        """The memory that the sums take."""
        return torch.float64.itemsize * (self._width**2 + self.written**2)

    @cached_property
    def _products(self) -> Tensor:
        return torch.zeros(self._width, self._width, dtype=torch.float64, device=self._weight.device)

    @cached_property
    def _felt(self) -> Tensor:
        return torch.zeros(self.written, self.written, dtype=torch.float64, device=self._weight.device)

    def rows(self, inputs: Tensor, outputs: Tensor) -> Tensor:
        """Return what counts of a call: `(…, width)`."""
        if self._reads:
            return inputs.detach()
        bias = getattr(self.layer, "bias", None)
        rows = self.channels_last(outputs.detach())
        return rows if bias is None else rows - bias.detach()

    def channels_last(self, outputs: Tensor) -> Tensor:
        """Return what the layer writes, or its gradient, by position: `(…, rows)`."""
        return outputs.movedim(1, -1) if self._is_conv else outputs

    def add(self, rows: Tensor, gradients: Tensor) -> None:
        """Add what a call read or wrote, `(positions, width)`, and the gradients there, `(positions, rows)`."""
        weights = gradients.norm(dim=1, keepdim=True).clamp_min(LEAST_WEIGHT)
        self._count += len(rows)
        self._total += float(weights.sum())
        self._products += rows.T @ (rows * weights)
        self._felt += gradients.T @ gradients

    def entry(self) -> dict[str, Tensor]:
        """Return the moments. Raises `ValueError` for a layer that was never called."""
        if not self._count:
            raise ValueError("no calibration example was given")
        moments = self._products / self._total
        if isinstance(self.layer, nn.Embedding):
            table = self._weight.double()
            moments = (1 - UNSEEN) * moments + UNSEEN * table.T @ table / len(table)
        return {READ if self._reads else WRITTEN: moments.float(), FELT: (self._felt / self._count).float()}


@dataclass
class _Call:
    """One use of a layer: what it read or wrote at the positions that are `real`, until the gradient is there."""

    sums: _Sums
    real: Tensor
    rows: Tensor | None

    def feel(self, gradient: Tensor) -> None:
        """Add the call, with the gradient of the answers by what the layer wrote."""
        if self.rows is not None:
            self.sums.add(self.rows, self.sums.channels_last(gradient.detach())[self.real])
            self.rows = None

    def end(self) -> None:
        """Add a call on which no answer depends."""
        if self.rows is not None:
            self.sums.add(self.rows, self.rows.new_zeros(len(self.rows), self.sums.written))


def _watch(
    sums: _Sums, batch: Batch, calls: list[_Call], _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor
) -> Tensor:
    """Note a call of a layer; what nothing before it made differentiable becomes so."""
    seen = output if output.requires_grad else output.detach().requires_grad_().clone()  # not a leaf: it may be changed
    rows = sums.rows(inputs[0], output)
    real = real_tokens(batch, rows)
    calls.append(_Call(sums, real, rows[real]))
    seen.register_hook(calls[-1].feel)  # type: ignore[no-untyped-call]  # of the value: an activation may overwrite it
    return seen
