"""Evidence of positions: what the readers of channels see in images and the like, and what the loss feels of them.

One forward and one backward pass over the calibration batches gives criteria and solves all they need. Per group one
file with its gradients, per reader one with its moments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from search_spaces.groups import Group
from search_spaces.layouts.layers import row_dim, weight_of
from search_spaces.layouts.layout import Layout, Link
from search_spaces.layouts.surgery import share_structure
from search_spaces.transforms.entries import write_entry
from search_spaces.transforms.passes import Batch, Loss, frozen_weights
from search_spaces.transforms.transform import Dense
from search_spaces.transforms.units.damping import mark_strained
from search_spaces.transforms.units.evidence import MaskGradients, Reader, Reading, by_unit
from search_spaces.transforms.units.gathered import Gathered
from search_spaces.transforms.units.gradients import Masks, UnitSums, readers_of
from search_spaces.transforms.units.taps import by_channel, read_weight, taps_of

CHANNEL_SOLVER = 1  # raise when evidence, ranking or solve change what they compute


class PositionEvidence(Gathered):
    """`Evidence` of a network in which any layer may read several groups, at any number of positions."""

    folder_name = f"channels-{CHANNEL_SOLVER}"

    def __init__(self, dense: Dense, folder: Path) -> None:
        super().__init__(dense, folder)
        self._readings: dict[str, Reading] = {}

    def weights(self, group: Group) -> list[Tensor]:
        """Return the filters of the group's producers."""
        return [self._filters(link, group.units) for link in self.dense.layout.writers(group)]

    def readers(self, group: Group) -> list[Reader]:
        """Return the group's readers, each cut to the channels that are the group's."""
        return [self._reader(link) for link in self.dense.layout.readers(group)]

    def gradients(self, group: Group) -> MaskGradients:
        """Return the mask gradients of the group's units, from disk or from one pass for all groups."""
        entry = self.entry(f"{group.name}.gradients")
        return MaskGradients(entry["absolute"], entry["squared"])

    def reading(self, path: str) -> Reading:
        """Return what a reader saw, from disk or from one pass for all groups."""
        if path not in self._readings:
            entry = self.entry(f"{path}.moments")
            norm = bytes(entry.pop("norm").tolist()).decode() or None
            self._readings[path] = Reading(**entry, norm=norm)
        return self._readings[path]

    def taps(self, path: str) -> int:
        """Return how many inputs of a reader are one channel."""
        return self._taps[path]

    def solved_name(self, path: str, columns: Tensor) -> str | None:
        """Return the name of what is solved for these columns; a reader of several groups has too many choices."""
        if len(self._links[path]) > 1:
            return None
        return f"{path}.columns-{sha256(columns.numpy().tobytes()).hexdigest()[:16]}"

    def gather(self) -> None:
        """Write moments and gradients of all groups."""
        collected = collect(self.dense.model, self.dense.layout, self.dense.batches(), self.dense.loss)
        for name, gradients in collected.gradients.items():
            sums = {"absolute": gradients.absolute, "squared": gradients.squared}
            write_entry(self.folder / f"{name}.gradients.safetensors", sums)
        for path, reading in collected.readings.items():
            mark_strained(self.folder, path, reading.covariance)
            norm = torch.tensor(list((reading.norm or "").encode()), dtype=torch.uint8)
            moments = {"mean": reading.mean, "covariance": reading.covariance, "felt": reading.felt, "norm": norm}
            write_entry(self.folder / f"{path}.moments.safetensors", moments)

    @cached_property
    def _links(self) -> dict[str, list[Link]]:
        return readers_of(self.dense.layout)

    @cached_property
    def _taps(self) -> dict[str, int]:
        return {path: taps_of(self._layer(path), links) for path, links in self._links.items()}

    def _filters(self, link: Link, units: int) -> Tensor:
        layer = self._layer(link.path)
        rows = weight_of(layer).cpu().transpose(0, row_dim(layer)).flatten(1)
        return by_unit(rows[link.entries], link.units, units)

    def _reader(self, link: Link) -> Reader:
        reading, taps = self.reading(link.path), self._taps[link.path]
        channels = torch.unique(link.entries // taps)
        owner = torch.zeros(len(reading.mean), dtype=torch.long)
        owner[link.entries // taps] = link.units
        weight = read_weight(self._layer(link.path), taps)[:, channels].cpu()
        felt = (weight * reading.felt.sqrt()[:, None, None]).transpose(1, 2).flatten(0, 1)
        return Reader(
            mean=reading.mean[channels],
            covariance=reading.covariance[channels][:, channels],
            columns=_condensed(felt),
            norms=felt.square().sum(dim=0),
            owner=owner[channels],
        )

    def _layer(self, path: str) -> nn.Module:
        return self.dense.model.get_submodule(path)


def _condensed(columns: Tensor) -> Tensor:
    """Return columns `(r, c)` with the same products in no more rows than there are columns."""
    if len(columns) <= columns.shape[1]:
        return columns
    values, vectors = torch.linalg.eigh((columns.T @ columns).double())
    condensed: Tensor = values.clamp_min(0).sqrt()[:, None] * vectors.T
    return condensed


@dataclass(frozen=True, slots=True)
class Collected:
    """What one pass gathered: `readings` by the readers' paths, `gradients` by the groups' names."""

    readings: dict[str, Reading]
    gradients: dict[str, MaskGradients]


def collect(model: nn.Module, layout: Layout, batches: Iterable[Batch], loss: Loss) -> Collected:
    """Return readings and mask gradients; `loss(model, batch)` is the summed loss of the batch's examples.

    The model is run in evaluation mode and left as it is. Raises `ValueError` when there is no batch.
    """
    twin, links = share_structure(model).eval(), readers_of(layout)
    watchers = {path: _Watcher(twin.get_submodule(path), each) for path, each in links.items()}
    norms, masks, sums = _Norms(twin, watchers), Masks(twin, watchers), UnitSums(layout)
    with frozen_weights(twin), torch.enable_grad():
        for batch in batches:
            torch.autograd.backward(loss(twin, batch), inputs=masks.all)
            sums.add(masks.taken())
            norms.forget()
    gradients = sums.means()
    readings = {path: watcher.reading(sums.examples, norms.behind.get(path)) for path, watcher in watchers.items()}
    return Collected(readings, gradients)


class _Watcher:
    """Hooks on one reader: moments of its inputs, the gradients behind it."""

    def __init__(self, layer: nn.Module, links: Sequence[Link]) -> None:
        self._layer, self._taps = layer, taps_of(layer, links)
        weight = read_weight(layer, self._taps)
        outputs, channels, _ = weight.shape
        self._positions = 0
        self._total = weight.new_zeros(channels, dtype=torch.float32)
        self._products = weight.new_zeros(channels, channels, dtype=torch.float32)
        self._felt = weight.new_zeros(outputs, dtype=torch.float32)
        layer.register_forward_pre_hook(self._before)
        layer.register_forward_hook(self._behind)

    def reading(self, examples: int, norm: str | None) -> Reading:
        mean = self._total / self._positions
        covariance = (self._products / self._positions).addr_(mean, mean, alpha=-1)
        felt = self._felt / examples
        return Reading(mean=mean.cpu(), covariance=covariance.cpu(), felt=felt.cpu(), norm=norm)

    def _before(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        rows = by_channel(inputs[0].detach(), self._layer, self._taps).float()
        self._positions += len(rows)
        self._total += rows.sum(dim=0)
        self._products.addmm_(rows.T, rows)

    def _behind(self, _: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        # a hook of the tensor, not its gradient: an activation may overwrite it in place
        output.register_hook(self._feel)  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def _feel(self, gradient: Tensor) -> None:
        dim = -1 if isinstance(self._layer, nn.Linear) else 1
        self._felt += gradient.detach().movedim(dim, -1).flatten(0, -2).float().square().sum(dim=0)


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
