"""torch: a model runs as it was built."""

from __future__ import annotations

from torch import nn


class PyTorch:
    """`Backend` of torch, on the device that the model is on."""

    name = "torch"

    def runs(self, model: nn.Module) -> nn.Module:
        """Return the model itself."""
        return model
