"""Files of weights: a state dict of torch or safetensors, put into a module that the user gives or the name tells.

A dense module takes the shapes of the file: layers become as narrow as their tensors are. A file is read by torch's
restricted unpickler, `weights_only=True`, so nothing in it is run.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from optimizer.analysis.facts import facts_of
from optimizer.analysis.inputs import Inputs
from optimizer.analysis.sources.resized import resized
from optimizer.analysis.sources.source import Described, Loaded, OneInput, of_module, undescribed
from optimizer.errors import InputError
from optimizer.families.networks.models import IMAGE_MODELS, new_model

PICKLES, SAFE = (".pth", ".pt", ".bin"), ".safetensors"
CODE = re.compile(r"\bGLOBAL\b|[Uu]nsupported (class|global)")  # as torch words what it does not unpickle
INSIDE = ("state_dict", "model_state_dict")  # where checkpoints of trainings keep it


class States:
    """A file of tensors by name."""

    name = "state dict"

    def takes(self, place: Path) -> bool:
        """Whether it is a file with such an ending."""
        return place.is_file() and place.suffix in (*PICKLES, SAFE)

    def load(self, place: Path, described: Described) -> Loaded:
        """Return the module with the weights of the file."""
        tensors = _read(place)
        if described.inputs is None:
            raise undescribed(place)
        net = resized(_module(place, tensors, described.inputs, described), tensors, place)
        is_called_by_name = len(described.inputs.tensors) > 1
        model = net if is_called_by_name else OneInput(net, described.inputs.tensors[0].name)
        return of_module(model, described.inputs, described)


def _read(place: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files that are no state dicts, which are refused in words
            found: Any = load_file(place) if place.suffix == SAFE else torch.load(place, "cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError, OSError, SafetensorError) as error:
        if names_code(error):
            raise InputError(
                "model",
                f"{place.name} holds more than tensors, and unpickling it could run any code: it is not loaded. Save "
                "model.state_dict() instead, or a safetensors file",
            ) from error
        is_pickle = isinstance(error, pickle.UnpicklingError)  # of which torch advises to run what is in it
        reason = "no pickle" if is_pickle else f"{type(error).__name__}: {error}".strip().split("\n")[0]
        raise InputError("model", f"{place.name} is damaged or no file of weights ({reason})") from error
    inner = [found[name] for name in INSIDE if isinstance(found, dict) and isinstance(found.get(name), dict)]
    found = inner[0] if len(inner) == 1 else found
    if not (isinstance(found, dict) and found and all(isinstance(value, Tensor) for value in found.values())):
        raise InputError("model", f"{place.name} must hold a state dict: tensors by name, and nothing else")
    return found


def names_code(error: Exception) -> bool:
    """Whether torch's restricted unpickler has met a class or a function, and not mere garbage."""
    return isinstance(error, pickle.UnpicklingError) and bool(CODE.search(str(error)))


def _module(place: Path, tensors: Mapping[str, Tensor], inputs: Inputs, described: Described) -> nn.Module:
    """Return the dense module: the user's, else torchvision's of the architecture that the file's name begins with."""
    if described.build is not None:
        made = described.build()
        if not isinstance(made, nn.Module):
            raise InputError("module", f"must make a torch module, not {type(made).__name__}")
        return made
    name = facts_of(place.stem).architecture.lower()
    if name not in IMAGE_MODELS or len(inputs.tensors[0].shape) != 3:
        raise InputError("module", f"nobody says what builds {place.name}; give --module FILE.py:NAME")
    channels, height, width = inputs.tensors[0].shape
    with torch.device("meta"):
        heads = [value for value in tensors.values() if value.ndim == 1]
        return new_model(name, (channels, height, width), len(heads[-1]), seed=0, from_torchvision=True)
