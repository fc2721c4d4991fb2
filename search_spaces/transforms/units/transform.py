"""Units as a transform: heads, neurons and channels are removed, and the layers behind them solved again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from search_spaces.config import Config
from search_spaces.groups import Group
from search_spaces.layouts.layout import Layout, Side
from search_spaces.transforms.transform import Dense, LayerShape, Source
from search_spaces.transforms.units.bank import UnitBank
from search_spaces.transforms.units.materialize import materialize, outline


class Units:
    """`Transform` of a model by its layout."""

    def groups(self, dense: Dense) -> tuple[Group, ...]:
        """Return the groups of the layout."""
        return dense.layout.groups

    def source(self, dense: Dense, root: Path) -> Source:
        """Return the bank of the model, the criterion and the calibration examples."""
        return UnitBank(dense, root)

    def describe(
        self,
        model: nn.Module,  # noqa: ARG002 - part of the Protocol, as what follows
        config: Config,  # noqa: ARG002
        left: Mapping[Side, int],  # noqa: ARG002
    ) -> Mapping[str, LayerShape]:
        """Return nothing: a family prices the units of its layout itself."""
        return {}

    def outline(
        self,
        model: nn.Module,
        config: Config,
        *,
        find_layout: Callable[[], Layout],
        tensors: Mapping[str, Tensor],  # noqa: ARG002 - the config says all
    ) -> nn.Module:
        """Return the model without the units that the config removes."""
        return outline(model, find_layout(), config)

    def apply(
        self,
        model: nn.Module,
        config: Config,
        source: Source,
        *,
        share_weights: bool,
        stays: Mapping[Side, Tensor],  # noqa: ARG002 - units come first
    ) -> nn.Module:
        """Return the smaller model."""
        bank = cast("UnitBank", source)
        return materialize(model, bank.layout, config, bank, share_weights=share_weights)

    def forms(self, dense: nn.Module, model: nn.Module) -> Mapping[str, nn.Module]:  # noqa: ARG002
        """Return nothing: a smaller model runs on dense kernels."""
        return {}
