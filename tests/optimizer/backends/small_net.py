"""A network of one layer that answers with logits, for backends that are made of torch's modules."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, act: Callable[[Tensor], Tensor] = torch.relu) -> None:
        super().__init__()
        self.layer, self.act = nn.Linear(3, 2), act

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"logits": self.act(self.layer(x))}
