"""A transform that does nothing: what one folder and one row have to bring along, and no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn

from search_spaces.config import Config
from search_spaces.groups import Group
from search_spaces.layouts.layout import Layout, Side
from search_spaces.transforms.table import Row
from search_spaces.transforms.transform import Dense, LayerShape, Source

ROW = Row(place="identity:Identity", words="nothing changes", follows=frozenset({"units"}))


class Identity:
    """`Transform` with a group of three levels for every layer of the layout."""

    def groups(self, dense: Dense) -> tuple[Group, ...]:
        return tuple(
            Group(
                name=f"layer.{layer}.identity",
                kind="identity",
                layer=layer,
                units=3,
                unit_size=1,
                levels=(1, 2, 3),
                producers=(),
                consumers=(),
            )
            for layer in sorted({group.layer for group in dense.layout.groups})
        )

    def source(self, dense: Dense, root: Path) -> Source:
        return Source(root / dense.key("identity").digest)

    def describe(self, model: nn.Module, config: Config, left: Mapping[Side, int]) -> Mapping[str, LayerShape]:
        return {}

    def outline(
        self, model: nn.Module, config: Config, *, find_layout: Callable[[], Layout], tensors: Mapping[str, Tensor]
    ) -> nn.Module:
        return model

    def apply(
        self, model: nn.Module, config: Config, source: Source, *, share_weights: bool, stays: Mapping[Side, Tensor]
    ) -> nn.Module:
        return model

    def forms(self, dense: nn.Module, model: nn.Module) -> Mapping[str, nn.Module]:
        return {}
