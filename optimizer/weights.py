"""Weights: the digest of a model's parameters and buffers."""

from __future__ import annotations

from hashlib import sha256

from torch import nn


def hash_weights(model: nn.Module) -> str:
    """Return the SHA-256 of all parameters and persistent buffers, names included."""
    digest = sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()
