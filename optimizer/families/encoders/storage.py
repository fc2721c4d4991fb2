"""Storage: the types in which an encoder's weights are written, the same as in its checkpoint.

Everything is computed in float32. Files are rounded, so a model is rounded as soon as it is solved or trained: its
figures hold for its file.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from optimizer.families.encoders.checkpoint import Checkpoint
from optimizer.families.encoders.weights import Stored
from search_spaces.layouts.modeling_pruned import FROM_RANK
from search_spaces.layouts.stored import written_instead

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@dataclass(frozen=True)
class Storage:
    """The type of most tensors, and by name the types of the others."""

    usual: torch.dtype = torch.float32
    others: Mapping[str, torch.dtype] = field(default_factory=dict)

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Storage:
        """Return the types of a checkpoint; a checkpoint without a head is trained here, in float32."""
        if not checkpoint.has_head:
            return cls()
        types = {name: DTYPES[t.dtype] for name, t in checkpoint.tensors.items() if t.dtype in DTYPES}
        usual = next(dtype for name, dtype in types.items() if name.endswith(checkpoint.row.words))
        return cls(usual, {name: dtype for name, dtype in types.items() if dtype is not usual})

    @classmethod
    def like(cls, tensors: Iterable[tuple[str, torch.dtype, int]]) -> Storage:
        """Return the types of tensors, given by name, type and number of elements; most elements have the usual one."""
        floats = [each for each in tensors if each[1].is_floating_point]
        elements: Counter[torch.dtype] = Counter()
        for _, dtype, count in floats:
            elements[dtype] += count
        usual = max(elements, key=elements.__getitem__, default=torch.float32)
        return cls(usual, {name: dtype for name, dtype, _ in floats if dtype is not usual})

    @classmethod
    def of_stored(cls, tensors: Mapping[str, Stored]) -> Storage:
        """Return the types of a file's tensors."""
        return cls.like((n, DTYPES[t.dtype], math.prod(t.shape)) for n, t in tensors.items() if t.dtype in DTYPES)

    def within(self, prefix: str) -> Storage:
        """Return the same types for a module around the model, in which names begin with `prefix`."""
        return replace(self, others={f"{prefix}{name}": dtype for name, dtype in self.others.items()})

    @property
    def name(self) -> str:
        """torch's name of the usual type, such as `float16`."""
        return str(self.usual).removeprefix("torch.")

    def dtype(self, name: str, tensor: Tensor) -> torch.dtype:
        """Return the type in which a tensor of a model is written; of a split layer that of the whole one."""
        whole = name.replace(f".{FROM_RANK}.", ".")
        return self.others.get(whole, self.usual) if tensor.is_floating_point() else tensor.dtype

    def rounded(self, name: str, tensor: Tensor) -> Tensor:
        """Return a tensor rounded to the values that its file can hold."""
        return tensor.to(self.dtype(name, tensor)).to(tensor.dtype)

    def tensors(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the tensors as they are written, codes in the place of weights that are stored in few bits."""
        instead, found = written_instead(model), dict[str, Tensor]()
        for name, tensor in model.state_dict().items():
            found |= instead.get(name) or {name: tensor.detach().to(self.dtype(name, tensor))}
        return found

    @property
    def notes(self) -> list[str]:
        """Notes where the stored types differ from float32."""
        if self.usual is torch.float32:
            return []
        return [
            f"weights are written as {self.name}, as in the checkpoint, and sizes are those of such files; "
            "everything is computed in float32"
        ]
