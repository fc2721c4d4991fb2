"""torchvision's weight files: checked by their hash, read without running code, fitted to channels and classes."""

from __future__ import annotations

import hashlib
import pickle
import re
from pathlib import Path

import torch
from torch import Tensor, nn

from optimizer.errors import InputError
from optimizer.families.networks.names import HASHED
from optimizer.families.networks.torchvision_models import head_of, stem_of

AUXILIARY = "AuxLogits."  # inception's second head, which only served its training
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")  # its file says norm.1, its modules norm1


def read_weights(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a state dict by name.

    Raises `InputError` where the hash is not the one in the file's name, or where it holds anything but tensors.
    """
    _check_hash(file)
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        reason = f"{type(error).__name__}: {error}".strip().split("\n")[0]
        raise InputError("weights", f"{file.name} is not a file of weights alone ({reason})") from error
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise InputError("weights", f"{file.name} must hold a state dict: tensors by name, and nothing else")
    return {OLD_DENSENET.sub(r"\1\2", name): value for name, value in found.items() if not name.startswith(AUXILIARY)}


def fit_weights(model: nn.Module, weights: dict[str, Tensor], file: Path) -> bool:
    """Put weights into `model` and return whether its head took them; one of another size stays as it is.

    For images of one channel the first convolution takes the sum over its three: its answer to a grey image.
    Raises `InputError` for weights of another architecture.
    """
    own = model.state_dict()
    _check_kinds(own, weights, file)
    stem, head = f"{stem_of(model)}.weight", head_of(model)
    fitted = dict(weights)
    if stem in fitted and own[stem].shape[1] == 1:
        fitted[stem] = fitted[stem].sum(dim=1, keepdim=True)
    keeps_head = f"{head}.bias" in fitted and fitted[f"{head}.bias"].shape == own[f"{head}.bias"].shape
    if not keeps_head:
        fitted |= {name: own[name] for name in (f"{head}.weight", f"{head}.bias")}
    try:
        model.load_state_dict(fitted)
    except RuntimeError as error:
        first = str(error).strip().split("\n")[1].strip()
        raise InputError("weights", f"{file.name} does not fit the architecture: {first}") from error
    return keeps_head


def _check_kinds(own: dict[str, Tensor], weights: dict[str, Tensor], file: Path) -> None:
    for name, tensor in weights.items():
        if name in own and own[name].is_floating_point() != tensor.is_floating_point():
            raise InputError(
                "weights", f"{file.name}: {name} is of {tensor.dtype}; give weights that are not quantised"
            )


def _check_hash(file: Path) -> None:
    named = HASHED.search(file.name)
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if named is None or not digest.startswith(named[1]):
        raise InputError(
            "weights", f"the SHA-256 of {file.name} begins with {digest[:8]}: damaged or changed; download it again"
        )
