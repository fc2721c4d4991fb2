"""How large a model is: its parameters, and the bytes of the safetensors file that holds it.

The file is not written: its length follows from the names, types and shapes of the tensors, since the format is a
length, a JSON header and the tensors themselves (https://github.com/huggingface/safetensors#format).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import torch
from torch import nn

from objectives.measurement import Measurement, Source

FILE_METADATA: Mapping[str, str] = {"format": "pt"}  # what transformers writes

# in the order in which the writer lays tensors down: wide types first, so that each is aligned
_TYPES: Mapping[torch.dtype, str] = {
    torch.int64: "I64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
WrittenAs = Callable[[str, torch.Tensor], torch.dtype]  # the type in which a tensor of that name is written
Instead = Mapping[str, Mapping[str, torch.Tensor]]  # by the name of a tensor, those that a file holds in its place
NOTHING: Instead = {}
_ORDER = {dtype: rank for rank, dtype in enumerate(_TYPES)}


def type_of(_name: str, tensor: torch.Tensor) -> torch.dtype:
    """Return the tensor's own type."""
    return tensor.dtype


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def size_bytes(model: nn.Module, written_as: WrittenAs = type_of, instead: Instead = NOTHING) -> int:
    """Return the length of the model's safetensors file. Raises `ValueError` for a type that such a file lacks.

    `instead` are the tensors that it holds in the place of others.
    """
    tensors = dict[str, torch.Tensor]()
    for name, tensor in _unique_tensors(model).items():
        tensors |= instead.get(name) or {name: tensor.to("meta", written_as(name, tensor))}
    unknown = sorted({str(tensor.dtype) for tensor in tensors.values()} - {str(dtype) for dtype in _TYPES})
    if unknown:
        raise ValueError(f"size: tensors of type {', '.join(unknown)} cannot be counted; known are {[*_TYPES]}")
    return 8 + _header_bytes(tensors) + sum(tensor.nbytes for tensor in tensors.values())


def measure_size(
    model: nn.Module, written_as: WrittenAs = type_of, instead: Instead = NOTHING
) -> tuple[Measurement, Measurement]:
    """Return the measurements "parameters" and "size" (bytes on disk, each tensor in the type it is written as)."""
    return (
        Measurement(quantity="parameters", value=count_parameters(model), unit="parameters", source=Source.COUNTED),
        Measurement(
            quantity="size",
            value=size_bytes(model, written_as, instead),
            unit="bytes",
            source=Source.COUNTED,
            conditions={"format": "safetensors"},
        ),
    )


def _unique_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors of the state dict by name; of tensors that are one and the same, the first name."""
    seen: set[object] = set()
    unique = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if (identity := _identity(tensor)) not in seen:
            seen.add(identity)
            unique[name] = tensor
    return unique


def _identity(tensor: torch.Tensor) -> object:
    address = tensor.data_ptr() if tensor.device.type != "meta" else 0
    return (tensor.device, address, tensor.shape, tensor.stride(), tensor.dtype) if address else id(tensor)


def _header_bytes(tensors: Mapping[str, torch.Tensor]) -> int:
    header: dict[str, object] = {"__metadata__": dict(FILE_METADATA)}
    offset = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (_ORDER[item[1].dtype], item[0])):
        end = offset + tensor.nbytes
        header[name] = {"dtype": _TYPES[tensor.dtype], "shape": [*tensor.shape], "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return -(-len(text) // 8) * 8  # padded with spaces to a multiple of eight
