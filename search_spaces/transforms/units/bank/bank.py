"""The layer bank: what materialize asks for, answered from disk, computed and kept when it is asked for first.

Per group one file with moments, one with the ranking; per solved level one file. Nothing is computed twice, not even
by a later study of the same model at any ε.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from search_spaces.config import Config, Form
from search_spaces.groups import Group
from search_spaces.layouts.entries import columns_of
from search_spaces.layouts.layout import Layout
from search_spaces.transforms.entries import read_entry, write_entry
from search_spaces.transforms.key import BankKey
from search_spaces.transforms.passes import Answers, Batch, Loss
from search_spaces.transforms.transform import Progress, Source
from search_spaces.transforms.units.bank.gradients import collect_gradients
from search_spaces.transforms.units.bank.moments import collect_moments
from search_spaces.transforms.units.bank.solve import reconstruct
from search_spaces.transforms.units.criteria.evidence import Criterion, MaskGradients, Moments
from search_spaces.transforms.units.damping import mark_strained


class LayerBank(Source):
    """Rankings and reconstructed weights of one dense model. Also the `Evidence` of its criterion.

    `calibration()` yields the calibration batches again at every call; `loss` is needed by gradient criteria only,
    `answers` by the moments.
    `rounded` returns the tensor of a name with the values that the file of a model will hold.
    """

    def __init__(
        self,
        root: Path,
        key: BankKey,
        *,
        model: nn.Module,
        layout: Layout,
        criterion: Criterion,
        calibration: Callable[[], Iterable[Batch]],
        loss: Loss,
        answers: Answers,
        rounded: Callable[[str, Tensor], Tensor] = lambda _name, tensor: tensor,
    ) -> None:
        super().__init__(root / key.digest)
        self.layout, self._model, self._groups, self._criterion = layout, model, layout.groups, criterion
        self._calibration, self._loss, self._answers = calibration, loss, answers
        self._rounded = rounded
        self._moments: dict[str, Moments] = {}
        self._gradients: dict[str, MaskGradients] = {}
        self._orders: dict[str, Tensor] = {}
        self._solved: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}

    def fill(self, progress: Progress = lambda _done, _total: None) -> None:
        """Rank the units of every group: the part of the bank that every study needs."""
        for done, group in enumerate(self._groups, start=1):
            self.order(group)
            progress(done, len(self._groups))

    def fill_for(self, config: Config) -> None:
        """Solve the consumers at the levels of a config, unless it is to be sliced; dense groups need no solving."""
        levels = config.as_dict()
        for group in self._groups if config.form is not Form.SLICED else ():
            if levels[group.name] < group.units:
                self.solved(group, levels[group.name])

    def order(self, group: Group) -> Tensor:
        """Return all units, most important first: int64 `(units,)`."""
        if group.name not in self._orders:
            path = self.folder / f"{group.name}.order.safetensors"
            entry = read_entry(path)
            if entry is None:
                entry = {"order": self._criterion.rank(group, self)}
                write_entry(path, entry)
            self._orders[group.name] = entry["order"].to(self._device)
        return self._orders[group.name]

    def kept_units(self, group: Group, level: int) -> Tensor:
        """Return the `level` most important units in ascending index order."""
        return self.order(group)[:level].sort().values

    def solved(self, group: Group, level: int) -> tuple[Tensor, Tensor]:
        """Return the consumer's reconstructed weight and bias for the `level` most important units."""
        if (group.name, level) not in self._solved:
            path = self.folder / f"{group.name}.level-{level:05d}.safetensors"
            entry = read_entry(path)
            if entry is None:
                write_entry(path, self._solve(group, level))
                entry = read_entry(path) or self._solve(group, level)
            self._solved[group.name, level] = self._written(group, "weight", entry), self._written(group, "bias", entry)
        return self._solved[group.name, level]

    def producer_weights(self, group: Group) -> list[Tensor]:
        """Return the rows of the dense producers that belong to the units."""
        return [self._linear(link.path).weight.detach()[link.entries] for link in self.layout.writers(group)]

    def consumer_weight(self, group: Group) -> Tensor:
        """Return the dense consumer's weight."""
        return self._linear(group.consumers[0]).weight.detach()

    def moments(self, group: Group) -> Moments:
        """Return the moments of the group's consumer, from disk or from one pass for all groups."""
        if group.name not in self._moments:
            entry = read_entry(self._moments_path(group.name))
            if entry is None:
                self._collect_moments()
                entry = read_entry(self._moments_path(group.name))
            if entry is None:
                raise OSError(f"{self._moments_path(group.name)} vanished while it was being read; run again")
            mean, covariance, curvature = (entry[n].to(self._device) for n in ("mean", "covariance", "curvature"))
            self._moments[group.name] = Moments(int(entry["count"]), mean, covariance, curvature)
        return self._moments[group.name]

    def gradients(self, group: Group) -> MaskGradients:
        """Return the mask gradients of the group's units, from one pass for all groups."""
        if not self._gradients:
            self._gradients = collect_gradients(self._model, self._groups, self._calibration(), self._loss)
        return self._gradients[group.name]

    @property
    def size_bytes(self) -> int:
        """Bytes of the bank on disk."""
        return sum(path.stat().st_size for path in self.folder.glob("*.safetensors"))

    def _collect_moments(self) -> None:
        collected = collect_moments(self._model, self._groups, self._calibration(), self._answers)
        for name, moments in collected.items():
            mark_strained(self.folder, name, moments.covariance)
            write_entry(
                self._moments_path(name),
                {
                    "count": torch.tensor(moments.count),
                    "mean": moments.mean,
                    "covariance": moments.covariance,
                    "curvature": moments.curvature,
                },
            )

    def _written(self, group: Group, part: str, entry: Mapping[str, Tensor]) -> Tensor:
        return self._rounded(f"{group.consumers[0]}.{part}", entry[part])

    def _solve(self, group: Group, level: int) -> dict[str, Tensor]:
        consumer = self._linear(group.consumers[0])
        columns = columns_of(self.kept_units(group, level), group.unit_size)
        weight, bias = reconstruct(consumer.weight.detach(), _bias_of(consumer), self.moments(group), columns)
        return {"weight": weight, "bias": bias}

    def _moments_path(self, name: str) -> Path:
        return self.folder / f"{name}.moments.safetensors"

    def _linear(self, path: str) -> nn.Linear:
        return self._model.get_submodule(path)  # type: ignore[return-value]  # groups name linear layers only

    @property
    def _device(self) -> torch.device:
        return next(self._model.parameters()).device


def _bias_of(layer: nn.Linear) -> Tensor:
    return layer.weight.new_zeros(layer.out_features).detach() if layer.bias is None else layer.bias.detach()
