"""Storage: the types in which an encoder's weights are written, those of the checkpoint that they came from.

Everything is computed in float32. What is written is rounded, so a model that was solved or trained is rounded as soon
as it is made: its figures are those of its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from optimizer.workloads.checkpoint import WORDS, Checkpoint

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@dataclass(frozen=True)
class Storage:
    """The type of most tensors, and by name those of another."""

    usual: torch.dtype = torch.float32
    others: Mapping[str, torch.dtype] = field(default_factory=dict)

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Storage:
        """Return the types of a checkpoint; one without a head is trained here, in float32."""
        if not checkpoint.has_head:
            return cls()
        types = {name: DTYPES[t.dtype] for name, t in checkpoint.tensors.items() if t.dtype in DTYPES}
        usual = next(dtype for name, dtype in types.items() if name.endswith(WORDS))
        return cls(usual, {name: dtype for name, dtype in types.items() if dtype is not usual})

    @property
    def name(self) -> str:
        """The usual type as torch calls it, such as `float16`."""
        return str(self.usual).removeprefix("torch.")

    def dtype(self, name: str, tensor: Tensor) -> torch.dtype:
        """Return the type in which a tensor of a model is written."""
        return self.others.get(name, self.usual) if tensor.is_floating_point() else tensor.dtype

    def rounded(self, name: str, tensor: Tensor) -> Tensor:
        """Return a tensor with the values that its file can hold."""
        return tensor.to(self.dtype(name, tensor)).to(tensor.dtype)

    def tensors(self, model: nn.Module) -> dict[str, Tensor]:
        """Return what is written of a model."""
        return {name: tensor.detach().to(self.dtype(name, tensor)) for name, tensor in model.state_dict().items()}

    @property
    def notes(self) -> list[str]:
        """What there is to say where the types are not those of the computation."""
        if self.usual is torch.float32:
            return []
        return [
            f"weights are written as {self.name}, as in the checkpoint, and sizes are those of such files; "
            "everything is computed in float32"
        ]
