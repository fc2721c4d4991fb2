"""Vocabulary as a transform: tokens that the user's texts do not use lose their embeddings and are read as unknown."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from search_spaces.config import Config
from search_spaces.groups import Group
from search_spaces.layouts.layout import Axis, Layout, Side
from search_spaces.layouts.modeling_pruned import map_tokens, token_rows
from search_spaces.layouts.surgery import share_structure
from search_spaces.transforms.transform import Dense, LayerShape, Source, Vocabulary

RARE = (1, 2, 4, 8, 16)  # a level keeps the tokens that occur at least so often


class Ranked(Source):
    """The rows of the token embedding `(rows,)`, the most frequent first; the row `unknown` is read for lost ones."""

    def __init__(self, folder: Path, order: Tensor, unknown: int) -> None:
        super().__init__(folder)
        self.order, self.unknown = order, unknown

    def left(self, config: Config) -> Mapping[Side, int]:
        """Return the number of rows that stay."""
        return {(path, Axis.ROWS): rows for path, rows in config.kept}

    def stays(self, config: Config) -> Mapping[Side, Tensor]:
        """Return the rows that stay."""
        ((path, rows),) = config.kept
        return {(path, Axis.ROWS): self.order[:rows].sort().values}


class Tokens:
    """`Transform` of one group, called by the path of the token embedding whose rows it keeps."""

    def groups(self, dense: Dense) -> tuple[Group, ...]:
        """Return the rows as one group. Raises `ValueError` for a model that reads no texts."""
        known = _vocabulary(dense)
        counts = _counts(dense.model, known)
        levels = {int((counts >= rare).sum()) for rare in RARE}
        return (
            Group(
                name=known.path,
                kind="tokens",
                layer=0,
                units=len(counts),
                unit_size=1,
                levels=tuple(sorted(levels | {len(counts)})),
                producers=(known.path,),
                consumers=(),
            ),
        )

    def source(self, dense: Dense, root: Path) -> Source:
        """Return the order of the rows; counting takes seconds, so nothing is kept."""
        known = _vocabulary(dense)
        order = _counts(dense.model, known).argsort(descending=True, stable=True)
        unknown = int(token_rows(dense.model.get_submodule(known.path))[known.unknown])
        return Ranked(root / dense.key("tokens").digest, order, unknown)

    def describe(
        self,
        model: nn.Module,
        config: Config,
        left: Mapping[Side, int],  # noqa: ARG002 - units leave the embedding whole
    ) -> Mapping[str, LayerShape]:
        """Return the embedding with the rows that it keeps."""
        return {path: _shape_of(model.get_submodule(path), rows) for path, rows in config.kept}

    def outline(
        self,
        model: nn.Module,
        config: Config,
        *,
        find_layout: Callable[[], Layout],  # noqa: ARG002 - the config says all
        tensors: Mapping[str, Tensor],  # noqa: ARG002
    ) -> nn.Module:
        """Return the model with so many rows, the first ones."""
        made, ((path, rows),) = share_structure(model), config.kept
        _keep(made.get_submodule(path), torch.arange(rows), 0)
        return made

    def apply(
        self,
        model: nn.Module,
        config: Config,
        source: Source,
        *,
        share_weights: bool,
        stays: Mapping[Side, Tensor],  # noqa: ARG002 - as above
    ) -> nn.Module:
        """Return the model without the rows of the rarest tokens."""
        made, ranked = share_structure(model) if share_weights else copy.deepcopy(model), cast("Ranked", source)
        (((path, _), kept),) = ranked.stays(config).items()
        _keep(made.get_submodule(path), kept, int((kept == ranked.unknown).nonzero()))
        return made

    def forms(self, dense: nn.Module, model: nn.Module) -> Mapping[str, nn.Module]:  # noqa: ARG002
        """Return nothing: a smaller table is as fast."""
        return {}


def _vocabulary(dense: Dense) -> Vocabulary:
    if dense.vocabulary is None:
        raise ValueError("the model reads no tokens, or its tokenizer has none for unknown words")
    return dense.vocabulary


def _counts(model: nn.Module, known: Vocabulary) -> Tensor:
    """Return how often each row of the embedding is read: int64 `(rows,)`."""
    embedding = cast("nn.Embedding", model.get_submodule(known.path))
    rows = token_rows(embedding)
    counts = torch.zeros(len(rows), dtype=torch.int64)
    given = known.counts()
    counts[: len(given)] = given[: len(rows)]
    return torch.zeros(embedding.num_embeddings, dtype=torch.int64).index_add(0, rows.long().cpu(), counts)


def _shape_of(embedding: nn.Module, rows: int) -> LayerShape:
    before, width = embedding.get_parameter("weight").shape
    indices = len(token_rows(embedding)) if rows < before else 0
    return LayerShape(weight=(before, width), kept=rows, weights_per_unit=width, indices=indices)


def _keep(module: nn.Module, kept: Tensor, unknown: int) -> None:
    """Keep these rows of an embedding, in place; tokens of others are read from the kept row `unknown`."""
    embedding = cast("nn.Embedding", module)
    if len(kept) == embedding.num_embeddings:
        return
    places = torch.full((embedding.num_embeddings,), unknown, dtype=torch.int32)
    places[kept] = torch.arange(len(kept), dtype=torch.int32)
    rows = token_rows(embedding)
    weight = embedding.weight.detach()
    embedding.weight = nn.Parameter(weight.index_select(0, kept.to(weight.device)), embedding.weight.requires_grad)
    embedding.num_embeddings = len(kept)
    if embedding.padding_idx is not None:
        embedding.padding_idx = int(places[embedding.padding_idx])
    map_tokens(embedding, places.to(rows.device)[rows.long()])
