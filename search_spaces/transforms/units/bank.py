"""The bank: what materialize asks for, answered from disk, computed and kept when it is asked for first.

Per group one file with its order, per solved level of a reader one more, beside the evidence. Nothing is computed
twice, not even by a later study of the same model at any ε.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from search_spaces.config import Config, Form
from search_spaces.groups import Group
from search_spaces.layouts.layout import Axis, Side
from search_spaces.resident import release, trim_memory
from search_spaces.transforms.entries import read_entry, write_entry
from search_spaces.transforms.parts import TOGETHER
from search_spaces.transforms.transform import Dense, Progress, Source
from search_spaces.transforms.units.criteria import CRITERIA, OF_CHANNELS
from search_spaces.transforms.units.damping import DAMPING
from search_spaces.transforms.units.evidence import Criterion, RankingError
from search_spaces.transforms.units.materialize import Refit, reduced
from search_spaces.transforms.units.positions import PositionEvidence
from search_spaces.transforms.units.solve import refit
from search_spaces.transforms.units.tokens import TokenEvidence

COUNTED = (
    256  # configs whose counts are kept: the prices of other transforms ask for those of few configs, again and again
)


class UnitBank(Source):
    """Rankings and refitted readers of one dense model."""

    def __init__(self, dense: Dense, root: Path, criterion: Criterion | None = None) -> None:
        """Rank by `criterion`, by default the one that the dense model's family names."""
        self.layout, self._dense = dense.layout, dense
        kind, table = (TokenEvidence, CRITERIA) if self.layout.gives_bias else (PositionEvidence, OF_CHANNELS)
        chosen = criterion or dense.criterion
        self._is_own = not isinstance(chosen, str) and criterion is None
        self._criterion = table[chosen] if isinstance(chosen, str) else chosen
        name = f"own {self._criterion.name}" if self._is_own else self._criterion.name
        super().__init__(root / dense.key(name, damping=DAMPING).digest / kind.folder_name)
        self.evidence: TokenEvidence | PositionEvidence = kind(dense, self.folder)
        self._orders: dict[str, Tensor] = {}
        self._counts = lru_cache(COUNTED)(self.layout.kept_counts)

    def check(self) -> None:
        """Have a caller's own criterion rank one group of each kind. Raises `RankingError`."""
        if self._is_own:
            for group in {group.kind: group for group in self.layout.groups}.values():
                self.order(group)

    def fill(self, progress: Progress = lambda _done, _total: None) -> None:
        """Rank the units of every group: the part of the bank that every study needs."""
        groups, parts = self.layout.groups, 0

        def told(done: int, of: int) -> None:
            nonlocal parts
            parts = of
            progress(done, of + len(groups))

        if sum(each.nbytes for each in self._dense.model.parameters()) > TOGETHER:
            release(self._dense.model)  # ranking reads one layer after the other
        with self.evidence.telling(told):
            for done, group in enumerate(groups, start=1):
                self.order(group)
                trim_memory()
                progress(parts + done, parts + len(groups))

    def fill_for(self, config: Config) -> None:
        """Solve the readers at the levels of a config, unless it is to be sliced."""
        if config.form is Form.SLICED:
            return
        for (path, axis), columns in self.stays(config).items():
            name = self.evidence.solved_name(path, columns) if axis is Axis.COLUMNS else None
            if name is not None and not self._place(name).exists():
                self.refit(path, columns)

    def left(self, config: Config) -> Mapping[Side, int]:
        """Return how many entries of every side of the layout stay; no ranking needed."""
        return self._counts(config)

    def stays(self, config: Config) -> Mapping[Side, Tensor]:
        """Return which entries of the sides that shrink stay."""
        kept = {group.name: self.kept_units(group, level) for group, level in reduced(self.layout, config)}
        return self.layout.kept_entries(kept)

    def order(self, group: Group) -> Tensor:
        """Return all units, most important first: int64 `(units,)`.

        A caller's own criterion is asked once in every process. Raises `RankingError` for an order that is none, or
        that differs from the stored one, on which everything else in the bank rests.
        """
        if group.name not in self._orders:
            place = self._place(f"{group.name}.order")
            entry = read_entry(place)
            ranked = self._ranked(group) if entry is None or self._is_own else None
            if entry is None:
                entry = {"order": cast("Tensor", ranked)}
                write_entry(place, entry)
            elif ranked is not None and not torch.equal(ranked, entry["order"].cpu()):
                raise RankingError(
                    f"criterion: {self._criterion.name} ranks {group.name} otherwise than it did before; "
                    "give another criterion another name"
                )
            self._orders[group.name] = entry["order"].cpu()
        return self._orders[group.name]

    def kept_units(self, group: Group, level: int) -> Tensor:
        """Return the `level` most important units in ascending index order."""
        return self.order(group)[:level].sort().values

    def refit(self, path: str, columns: Tensor) -> Refit:
        """Return the weights of the layer at `path` for the input `columns` that stay."""
        name = self.evidence.solved_name(path, columns)
        entry = read_entry(self._place(name)) if name else None
        if entry is None:
            entry = self._solved(path, columns)
            if name:
                write_entry(self._place(name), entry)
        weight, bias = self._dense.rounded(f"{path}.weight", entry["weight"]), self._layer(path).bias
        if "bias" in entry:
            return Refit(weight, self._dense.rounded(f"{path}.bias", entry["bias"]))
        if "shift" not in entry:
            return Refit(weight)
        if bias is None:
            return Refit(weight, shift=entry["shift"], norm=self.evidence.reading(path).norm)
        return Refit(weight, bias.detach().cpu() + entry["shift"])

    def _ranked(self, group: Group) -> Tensor:
        order = torch.as_tensor(self._criterion.rank(group, self.evidence)).cpu()
        if order.is_floating_point() or not torch.equal(order.long().sort().values, torch.arange(group.units)):
            raise RankingError(
                f"criterion: {self._criterion.name} must rank the {group.units} units of {group.name}, each once, as "
                f"whole numbers, got {order.dtype} of shape {tuple(order.shape)}"
            )
        return order.long()

    def _solved(self, path: str, columns: Tensor) -> dict[str, Tensor]:
        layer, reading = self._layer(path), self.evidence.reading(path)
        has_place = layer.bias is not None or reading.norm is not None
        takes_shift = self.layout.gives_bias or (has_place and not getattr(layer, "transposed", False))
        weight, shift = refit(layer, reading, columns, taps=self.evidence.taps(path), takes_shift=takes_shift)
        if shift is None:
            return {"weight": weight}
        if not self.layout.gives_bias:
            return {"weight": weight, "shift": shift}
        return {"weight": weight, "bias": shift if layer.bias is None else layer.bias.detach() + shift}

    def _place(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def _layer(self, path: str) -> nn.Linear:
        # may be a convolution as well: only weight and bias are used
        return self._dense.model.get_submodule(path)  # type: ignore[return-value]
