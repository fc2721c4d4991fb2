"""The channel bank: units ranked once, readers solved once per level, kept on disk for every later study.

Per group one file with its order and one with its gradients, per reader one with its moments, per solved
level one more. A reader of several groups at once (a dense block's) has too many combinations to keep: it is solved
whenever it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from search_spaces.config import Config, Form
from search_spaces.groups import Group
from search_spaces.layouts.layers import row_dim, weight_of
from search_spaces.layouts.layout import Axis, Layout, Link
from search_spaces.transforms.entries import read_entry, write_entry
from search_spaces.transforms.key import BankKey
from search_spaces.transforms.transform import Progress, Source
from search_spaces.transforms.units.channels.criteria import ChannelCriterion, Reader
from search_spaces.transforms.units.channels.evidence import collect, readers_of
from search_spaces.transforms.units.channels.reading import Reading, read_weight, taps_of
from search_spaces.transforms.units.channels.solve import Refit, refit_reader
from search_spaces.transforms.units.criteria.evidence import MaskGradients
from search_spaces.transforms.units.damping import mark_strained

CHANNEL_SOLVER = 1  # raise when evidence, ranking or solve change what they compute
Batch = TypeVar("Batch")


class ChannelBank(Source, Generic[Batch]):
    """Rankings and refitted readers of one dense network. Also the `ChannelEvidence` of its criterion.

    `calibration()` yields the calibration batches again at every call; `loss(model, batch)` is the summed loss of a
    batch's examples, a scalar.
    """

    def __init__(
        self,
        root: Path,
        key: BankKey,
        *,
        model: nn.Module,
        space: Layout,
        criterion: ChannelCriterion,
        calibration: Callable[[], Iterable[Batch]],
        loss: Callable[[nn.Module, Batch], Tensor],
    ) -> None:
        super().__init__(root / key.digest / f"channels-{CHANNEL_SOLVER}")
        self.layout = space
        self._model, self._space, self._criterion = model, space, criterion
        self._calibration, self._loss = calibration, loss
        self._links = readers_of(space)
        self._taps = {path: taps_of(model.get_submodule(path), links) for path, links in self._links.items()}
        self._readings: dict[str, Reading] = {}
        self._orders: dict[str, Tensor] = {}

    def fill(self, progress: Progress = lambda _done, _total: None) -> None:
        """Rank the units of every group: the part of the bank that every study needs."""
        for done, group in enumerate(self._space.groups, start=1):
            self.order(group)
            progress(done, len(self._space.groups))

    def fill_for(self, config: Config) -> None:
        """Solve the readers at the levels of a config, unless it is to be sliced."""
        if config.form is Form.SLICED:
            return
        levels = config.as_dict()
        kept = {
            group.name: self.kept_units(group, levels[group.name])
            for group in self._space.groups
            if levels[group.name] < group.units
        }
        for (path, axis), columns in self._space.kept_entries(kept).items():
            if axis is Axis.COLUMNS and len(self._links[path]) == 1:
                self.refit(path, columns)

    def order(self, group: Group) -> Tensor:
        """Return all units, most important first: int64 `(units,)`."""
        if group.name not in self._orders:
            path = self.folder / f"{group.name}.order.safetensors"
            entry = read_entry(path)
            if entry is None:
                entry = {"order": self._criterion.rank(group, self)}
                write_entry(path, entry)
            self._orders[group.name] = entry["order"]
        return self._orders[group.name]

    def kept_units(self, group: Group, level: int) -> Tensor:
        """Return the `level` most important units in ascending index order."""
        return self.order(group)[:level].sort().values

    def refit(self, reader: str, columns: Tensor) -> Refit:
        """Return the weights of the layer at `reader` for the input `columns` that stay."""
        if len(self._links[reader]) > 1:
            return self._solve(reader, columns)
        digest = sha256(columns.numpy().tobytes()).hexdigest()[:16]
        path = self.folder / f"{reader}.columns-{digest}.safetensors"
        entry = read_entry(path)
        if entry is None:
            refit = self._solve(reader, columns)
            write_entry(path, {"weight": refit.weight} | ({} if refit.shift is None else {"shift": refit.shift}))
            return refit
        norm = self._reading(reader).norm if self._layer(reader).bias is None else None
        return Refit(entry["weight"], entry.get("shift"), norm)

    def filters(self, group: Group) -> list[Tensor]:
        """Return the dense weights of the group's producers, one row per unit."""
        return [self._filters(link, group.units) for link in self._space.writers(group)]

    def readers(self, group: Group) -> list[Reader]:
        """Return the group's readers, each cut to the channels that are the group's."""
        return [self._reader(link) for link in self._space.readers(group)]

    def gradients(self, group: Group) -> MaskGradients:
        """Return the mask gradients of the group's units, from disk or from one pass for all groups."""
        entry = self._evidence(self._gradients_path(group.name))
        return MaskGradients(entry["absolute"], entry["squared"])

    @property
    def size_bytes(self) -> int:
        """Bytes of the bank on disk."""
        return sum(path.stat().st_size for path in self.folder.glob("*.safetensors"))

    def _filters(self, link: Link, units: int) -> Tensor:
        layer = self._layer(link.path)
        rows = weight_of(layer).cpu().transpose(0, row_dim(layer)).flatten(1)[link.entries]
        return rows[link.units.argsort(stable=True)].reshape(units, -1)

    def _reader(self, link: Link) -> Reader:
        reading, taps = self._reading(link.path), self._taps[link.path]
        channels = torch.unique(link.entries // taps)
        owner = torch.zeros(len(reading.mean), dtype=torch.long)
        owner[link.entries // taps] = link.units
        weight = read_weight(self._layer(link.path), taps)[:, channels].cpu()
        felt = (weight * reading.felt.sqrt()[:, None, None]).transpose(1, 2).flatten(0, 1)
        return Reader(
            mean=reading.mean[channels],
            covariance=reading.covariance[channels][:, channels],
            gram=felt.T @ felt,
            owner=owner[channels],
        )

    def _solve(self, reader: str, columns: Tensor) -> Refit:
        return refit_reader(self._layer(reader), self._reading(reader), columns, taps=self._taps[reader])

    def _reading(self, path: str) -> Reading:
        if path not in self._readings:
            entry = self._evidence(self._moments_path(path))
            norm = bytes(entry["norm"].tolist()).decode() or None
            self._readings[path] = Reading(
                mean=entry["mean"], covariance=entry["covariance"], felt=entry["felt"], norm=norm
            )
        return self._readings[path]

    def _evidence(self, path: Path) -> dict[str, Tensor]:
        entry = read_entry(path)
        if entry is None:
            self._collect()
            entry = read_entry(path)
        if entry is None:
            raise OSError(f"{path} vanished while it was being read; run again")
        return entry

    def _collect(self) -> None:
        collected = collect(self._model, self._space, self._calibration(), self._loss)
        for name, gradients in collected.gradients.items():
            write_entry(self._gradients_path(name), {"absolute": gradients.absolute, "squared": gradients.squared})
        for path, reading in collected.readings.items():
            mark_strained(self.folder, path, reading.covariance)
            norm = torch.tensor(list((reading.norm or "").encode()), dtype=torch.uint8)
            moments = {"mean": reading.mean, "covariance": reading.covariance, "felt": reading.felt, "norm": norm}
            write_entry(self._moments_path(path), moments)

    def _gradients_path(self, name: str) -> Path:
        return self.folder / f"{name}.gradients.safetensors"

    def _moments_path(self, path: str) -> Path:
        return self.folder / f"{path}.moments.safetensors"

    def _layer(self, path: str) -> nn.Linear:
        # may be a convolution as well: only weight and bias are used
        return self._model.get_submodule(path)  # type: ignore[return-value]
