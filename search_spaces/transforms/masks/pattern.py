"""N:M sparsity: of every M neighbouring inputs of an output at most N are kept, the pattern that GPUs run natively."""

from __future__ import annotations

from torch import Tensor, nn

from search_spaces.transforms.masks.layers import MaskError, magnitudes

TWO_OF_FOUR = (2, 4)


def n_of_m(layer: nn.Linear, n: int = TWO_OF_FOUR[0], m: int = TWO_OF_FOUR[1]) -> Tensor:
    """Return the mask that keeps the `n` largest of every `m` inputs. Raises `MaskError` where `m` does not divide."""
    if not 0 < n <= m or layer.in_features % m:
        raise MaskError(f"pattern: {n}:{m} needs 0 < n <= m and inputs in multiples of {m}, got {layer.in_features}")
    ranks = magnitudes(layer).view(-1, m).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return (ranks < n).view(layer.weight.shape)
