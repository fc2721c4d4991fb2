"""Groups of masked networks: one per layer that can carry a mask, its units single weights or whole filters."""

from __future__ import annotations

from torch import nn

from search_spaces.groups import Group, GroupKind, mask_levels
from search_spaces.transforms.masks.layers import is_convolution, maskable_layers, unit_count


def mask_groups(model: nn.Module) -> tuple[Group, ...]:
    """Return a group for every layer that can be masked, first layer first. Raises `MaskError` where there is none."""
    return tuple(
        Group(
            name=name,
            kind=GroupKind.FILTERS if is_convolution(layer) else GroupKind.WEIGHTS,
            layer=index,
            units=unit_count(layer),
            unit_size=1,
            levels=mask_levels(unit_count(layer)),
            producers=(name,),
            consumers=(),
        )
        for index, (name, layer) in enumerate(maskable_layers(model).items())
    )
