"""Compressed sparse rows: a linear layer that stores and multiplies only the weights that are not zero.

Whether it is faster depends on sizes, sparsity and machine, so nothing here claims a gain: callers measure it.
"""

from __future__ import annotations

import copy
import warnings

import torch
from torch import Tensor, nn

SPARSE_ENOUGH = 0.7  # below it no library's sparse product beats a dense one, so it is not tried


class SparseLinear(nn.Module):
    """A linear layer in compressed sparse rows, for inference."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        with warnings.catch_warnings():  # torch announces that its sparse tensors are in beta
            warnings.simplefilter("ignore", UserWarning)
            self.weight = nn.Parameter(layer.weight.detach().to_sparse_csr(), requires_grad=False)
        self.bias = layer.bias

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the layer's outputs `(…, out)` for `(…, in)`."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        outputs = torch.sparse.mm(self.weight, flat.t()).t()
        outputs = outputs if self.bias is None else outputs + self.bias
        shaped: Tensor = outputs.reshape(*inputs.shape[:-1], -1)
        return shaped


def with_sparse_kernels(model: nn.Module, *, above: float) -> nn.Module:
    """Return a copy of `model` whose linear layers of a sparsity above `above` are stored in compressed rows."""
    sparse = copy.deepcopy(model)
    for module in list(sparse.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Linear) and float((child.weight == 0).float().mean()) > above:
                setattr(module, name, SparseLinear(child))
    return sparse
