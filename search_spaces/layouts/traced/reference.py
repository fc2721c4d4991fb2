"""Reference: what a smaller network must compute, which is the dense one where no layer sees the removed channels.

Layers that read channels have zeros in their columns. A norm over all channels, and any other module that owns entries
of the group, is given the kept channels alone: how many there are changes what it computes, by design.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.layouts.layers import row_dim, weight_of
from search_spaces.layouts.layout import Axis, Layout
from search_spaces.layouts.surgery import share_structure, shrink
from search_spaces.layouts.traced.inputs import Inputs, agree, answers, started


class DisprovedError(ValueError):
    """A smaller network fails, or computes something else; `path` is the last module that started where it fails."""

    def __init__(self, path: str = "") -> None:
        super().__init__(path)
        self.path = path


def prove(model: nn.Module, space: Layout, kept: Mapping[str, Tensor], example_inputs: Inputs) -> None:
    """Raise `DisprovedError` unless the network that keeps these units, by group name, computes what it must."""
    small = share_structure(model)
    with started(small) as paths:
        try:
            shrink(small, space, kept)
            found = _answers(small, example_inputs)
        except Exception as error:  # foreign forward code refuses shapes in its own words
            raise DisprovedError(paths[-1] if paths else "") from error
    wanted = _answers(_blind(model, small, space, kept), example_inputs)
    if not all(agree(*pair) for pair in zip(found, wanted, strict=True)):
        raise DisprovedError


def _answers(model: nn.Module, example_inputs: Inputs) -> list[Tensor]:
    with torch.no_grad():
        return answers(model.eval(), example_inputs)


def _blind(model: nn.Module, small: nn.Module, space: Layout, kept: Mapping[str, Tensor]) -> nn.Module:
    twin = share_structure(model)
    for (path, axis), entries in space.kept_entries(kept).items():
        if axis is Axis.COLUMNS:
            _blank(twin.get_submodule(path), entries)
        elif (owner := _mixer(twin, path, axis)) is not None:
            seeing = _Seeing(twin.get_submodule(owner), small.get_submodule(owner), entries, space.sizes[path, axis])
            twin.set_submodule(owner, seeing)
    return twin


def _blank(reader: nn.Module, kept: Tensor) -> None:
    """Set the columns of the other entries to zero."""
    weight = weight_of(reader)
    zeros, dim, columns = torch.zeros_like(weight), 1 - row_dim(reader), kept.to(weight.device)
    zeros.index_copy_(dim, columns, weight.index_select(dim, columns))
    reader.weight = nn.Parameter(zeros, requires_grad=False)


def _mixer(model: nn.Module, path: str, axis: Axis) -> str | None:
    """Return the path of the module that may look at all channels at once, None where each is on its own."""
    if axis is Axis.CHANNELS:
        return path if isinstance(model.get_submodule(path), nn.LayerNorm | nn.GroupNorm) else None
    owner = path.rpartition(".")[0]
    has_parts = axis is not Axis.PARAMETER or not owner or any(model.get_submodule(owner).children())
    return None if has_parts or isinstance(model.get_submodule(owner), _Seeing) else owner


class _Seeing(nn.Module):
    """A module that is given the kept ones of `channels` channels alone; the others become zero."""

    def __init__(self, dense: nn.Module, small: nn.Module, kept: Tensor, channels: int) -> None:
        super().__init__()
        self.dense, self.small, self.kept, self.channels = dense, small, kept, channels

    def forward(self, inputs: Tensor, *others: Any, **named: Any) -> Any:
        kept = self.kept.to(inputs.device)
        for dim in self._places(inputs):
            taken = inputs.index_select(dim, kept)
            try:
                output = self.small(taken, *others, **named)
            except RuntimeError:  # its channels are elsewhere
                continue
            if isinstance(output, Tensor) and output.shape == taken.shape:
                return torch.zeros_like(inputs, dtype=output.dtype).index_copy(dim, kept, output)
        return self.dense(inputs, *others, **named)

    def _places(self, inputs: Tensor) -> list[int]:
        """Return where the channels may be: first after the batch, or last."""
        first = isinstance(self.dense, nn.GroupNorm) or "2d" in type(self.dense).__name__
        first |= getattr(self.dense, "data_format", "") == "channels_first"
        places = (1, inputs.ndim - 1) if first else (inputs.ndim - 1, 1)
        return [place for place in places if inputs.shape[place] == self.channels]
