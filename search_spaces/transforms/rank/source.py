"""Splits: the decompositions that the candidates of one dense model need, by the moments of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from torch import Tensor, nn

from search_spaces.config import Config
from search_spaces.layouts.layout import Axis, Side
from search_spaces.layouts.modeling_pruned import FROM_RANK, give_rank
from search_spaces.transforms.moments import FELT, READ, WRITTEN, Moments, part
from search_spaces.transforms.rank.layers import path_of, pays, rank_groups, shape_of
from search_spaces.transforms.rank.split import Split, split_by_inputs, split_by_outputs
from search_spaces.transforms.recent import Recent
from search_spaces.transforms.transform import Dense, Progress, Source

VERSION = 2  # raise when splits change what they compute
IN_MEMORY = 256 << 20  # bytes of splits: a candidate is built for every question asked of it
Stays = Mapping[Side, Tensor]  # the entries that the transforms before left, of the sides that they shrank


class Splits(Source):
    """The splits of one dense model's layers, whatever the transforms before have left of them."""

    def __init__(self, dense: Dense, root: Path) -> None:
        super().__init__(root / dense.key(f"rank {VERSION}").digest)
        self._dense, self._groups, self._moments = dense, rank_groups(dense), Moments(dense, root)
        self._splits: Recent[Split] = Recent(IN_MEMORY)

    def fill(self, progress: Progress = lambda _done, _total: None) -> None:
        """Gather the moments of all layers."""
        paths = [path_of(group.name) for group in self._groups]
        self._moments.fill(paths)
        progress(len(paths), len(paths))

    def merged(self, config: Config, left: Mapping[Side, int]) -> Config:
        """Return the config with the full rank where its rank saves nothing."""
        idle = {name for name, rank in config.kept if not pays(rank, self._shape(path_of(name), left))}
        return config.replaced({group.name: group.units for group in self._groups if group.name in idle})

    def lower(self, layer: nn.Module, path: str, rank: int, stays: Stays) -> None:
        """Give a layer of a model that is made a rank, in place."""
        outer, inner = self._split(layer, path, stays).at(rank)
        weight, bias = layer.get_parameter("weight"), getattr(layer, "bias", None)
        inner = inner.T.contiguous() if isinstance(layer, nn.Embedding) else inner.reshape(rank, *weight.shape[1:])
        second, rounded = f"{path}.{FROM_RANK}", self._dense.rounded
        give_rank(
            layer,
            rounded(f"{path}.weight", inner),
            rounded(f"{second}.weight", outer),
            None if bias is None else rounded(f"{second}.bias", bias.detach()),
        )

    def _split(self, layer: nn.Module, path: str, stays: Stays) -> Split:
        """Return a layer's split, made anew where its weight is none of those seen last."""
        weight = layer.get_parameter("weight").detach()
        key = path, sha256(weight.cpu().contiguous().numpy().tobytes()).hexdigest()
        return self._splits.get(key, lambda: self._made(layer, path, stays))

    def _made(self, layer: nn.Module, path: str, stays: Stays) -> Split:
        weight = layer.get_parameter("weight").detach()
        entry = {name: tensor.to(weight.device) for name, tensor in self._moments.of(path).items()}
        if isinstance(layer, nn.Embedding):  # whose rows are tokens
            return split_by_outputs(weight.T, entry[WRITTEN], entry[FELT])
        rows = stays.get((path, Axis.ROWS))
        felt = part(entry[FELT], rows)
        if READ in entry:
            return split_by_inputs(weight, part(entry[READ], stays.get((path, Axis.COLUMNS))), felt)
        return split_by_outputs(weight.flatten(1), part(entry[WRITTEN], rows), felt)

    def _shape(self, path: str, left: Mapping[Side, int]) -> tuple[int, ...]:
        return shape_of(self._dense.model.get_submodule(path), path, left)
