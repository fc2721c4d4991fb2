"""Units as a transform: heads, neurons and channels are removed, and the layers behind them solved again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from search_spaces.config import Config
from search_spaces.groups import Group
from search_spaces.layouts.layout import Layout
from search_spaces.transforms.transform import Dense, LayerShape, Source
from search_spaces.transforms.units.bank.bank import LayerBank
from search_spaces.transforms.units.channels.bank import ChannelBank
from search_spaces.transforms.units.channels.criteria import CHANNEL_CRITERIA
from search_spaces.transforms.units.channels.materialize import materialize_channels, outline_channels
from search_spaces.transforms.units.criteria import CRITERIA
from search_spaces.transforms.units.damping import DAMPING
from search_spaces.transforms.units.materialize import materialize, outline


class Units:
    """`Transform` of a model by its layout."""

    def groups(self, dense: Dense) -> tuple[Group, ...]:
        """Return the groups of the layout."""
        return dense.layout.groups

    def source(self, dense: Dense, root: Path) -> Source:
        """Return the layer bank of the model, the criterion and the calibration examples."""
        if not dense.layout.gives_bias:
            ranking = CHANNEL_CRITERIA[dense.criterion]
            return ChannelBank(
                root,
                dense.key(ranking.name, damping=DAMPING),
                model=dense.model,
                space=dense.layout,
                criterion=ranking,
                calibration=dense.batches,
                loss=dense.loss,
            )
        criterion = CRITERIA[dense.criterion]
        return LayerBank(
            root,
            dense.key(criterion.name, damping=DAMPING),
            model=dense.model,
            layout=dense.layout,
            criterion=criterion,
            calibration=dense.batches,
            loss=dense.loss,
            answers=dense.answers,
            rounded=dense.rounded,
        )

    def describe(self, model: nn.Module, config: Config) -> Mapping[str, LayerShape]:  # noqa: ARG002 - part of the Protocol
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
        layout = find_layout()
        return (outline if layout.gives_bias else outline_channels)(model, layout, config)

    def apply(self, model: nn.Module, config: Config, source: Source, *, share_weights: bool) -> nn.Module:
        """Return the smaller model."""
        bank = cast("Any", source)
        made: nn.Module = (materialize if bank.layout.gives_bias else materialize_channels)(
            model, bank.layout, config, bank, share_weights=share_weights
        )
        return made

    def forms(self, dense: nn.Module, model: nn.Module) -> Mapping[str, nn.Module]:  # noqa: ARG002
        """Return nothing: a smaller model runs on dense kernels."""
        return {}
