"""The dense parts of a tensor: itself, or of compressed sparse rows the three arrays that hold them.

Torch gives such rows no storage of their own, and the bytes of the dense matrix they stand for.
"""

from __future__ import annotations

import torch
from torch import Tensor


def parts_of(tensor: Tensor) -> tuple[Tensor, ...]:
    """Return the dense tensors that hold a tensor's data."""
    if tensor.layout is not torch.sparse_csr:
        return (tensor,)
    tensor = tensor.detach()
    return tensor.values(), tensor.crow_indices(), tensor.col_indices()


def tensor_bytes(tensor: Tensor) -> int:
    """Return the bytes of a tensor's data."""
    return sum(int(part.nbytes) for part in parts_of(tensor))
