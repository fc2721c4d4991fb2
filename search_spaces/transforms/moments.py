"""Moments: the second moments of what layers read or write over the calibration examples, gathered in one pass.

They are kept once per dense model, for every transform that goes by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from search_spaces.layouts.requests import real_tokens
from search_spaces.transforms.entries import read_entry, write_entry
from search_spaces.transforms.passes import Batch
from search_spaces.transforms.transform import Dense

VERSION = 1  # raise when what is gathered changes
READ, WRITTEN = "inputs", "outputs"
WIDEST = 8192  # inputs of a linear layer that is known by what it reads: those behind a flatten are more
UNSEEN = 0.5  # of the moments of an embedding: all of its rows alike, as other texts have other tokens


class Moments:
    """The moments of the layers of one dense model, on disk below `root`."""

    def __init__(self, dense: Dense, root: Path) -> None:
        self._dense, self.folder = dense, root / dense.key(f"moments {VERSION}").digest

    def fill(self, paths: Sequence[str]) -> None:
        """Gather, in one pass, those of the layers at `paths` that are not there yet. Raises as `gather` does."""
        missing = [path for path in paths if read_entry(self._place(path)) is None]
        if missing:
            for path, entry in gather(self._dense, missing).items():
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


@torch.no_grad()
def gather(dense: Dense, paths: Sequence[str]) -> dict[str, dict[str, Tensor]]:
    """Return the second moments about zero of the layers at `paths`, float32 `(width, width)` under READ or WRITTEN.

    Linear layers are known by what they read, of which units may leave a part; convolutions, embeddings and very wide
    linear layers by what they write, without the bias. Padding is left out. Raises `ValueError` where there is no
    calibration example.
    """
    sums = {path: _Sums(dense.model.get_submodule(path)) for path in paths}
    for batch in dense.batches():
        handles = [each.layer.register_forward_hook(partial(each.add, batch)) for each in sums.values()]
        try:
            dense.answers(dense.model, batch)
        finally:
            for handle in handles:
                handle.remove()
    return {path: each.entry() for path, each in sums.items()}


class _Sums:
    """Running sums over all positions of a layer; float32 products, summed per call."""

    def __init__(self, layer: nn.Module) -> None:
        self.layer, self._weight = layer, layer.get_parameter("weight").detach()
        self._reads = isinstance(layer, nn.Linear) and layer.in_features <= WIDEST
        width = len(self._weight) if isinstance(layer, nn.Conv2d) else self._weight.shape[1]
        self._count = 0
        self._products = torch.zeros(width, width, dtype=torch.float64, device=self._weight.device)

    def add(self, batch: Batch, _layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Add what a call read or wrote."""
        rows = inputs[0] if self._reads else output.movedim(1 if isinstance(self.layer, nn.Conv2d) else -1, -1)
        rows = rows[real_tokens(batch, rows)]
        if not self._reads and getattr(self.layer, "bias", None) is not None:
            rows = rows - self.layer.get_parameter("bias")
        self._count += len(rows)
        self._products += rows.T @ rows

    def entry(self) -> dict[str, Tensor]:
        """Return the moments. Raises `ValueError` for a layer that was never called."""
        if not self._count:
            raise ValueError("no calibration example was given")
        moments = self._products / self._count
        if isinstance(self.layer, nn.Embedding):
            table = self._weight.double()
            moments = (1 - UNSEEN) * moments + UNSEEN * table.T @ table / len(table)
        return {READ if self._reads else WRITTEN: moments.float()}
