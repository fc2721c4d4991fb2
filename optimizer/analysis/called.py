"""Called alike: models of one group get the same request, each by its own names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn

from optimizer.analysis.costs import Measured
from optimizer.analysis.inputs import Inputs
from optimizer.analysis.sources.source import Loaded
from optimizer.errors import InputError


class Renamed(nn.Module):
    """A model that is called by other names: those of its inputs, by the names that it has for them."""

    def __init__(self, model: nn.Module, names: Mapping[str, str]) -> None:
        super().__init__()
        self.model, self._names = model, dict(names)
        if hasattr(model, "conditions"):
            self.conditions = model.conditions

    def forward(self, **inputs: Tensor) -> object:
        """Return the model's answer."""
        return self.model(**{own: inputs[name] for own, name in self._names.items()})


def called_like(parent: Inputs, loaded: Loaded) -> Measured:
    """Return a model that takes the unpruned one's request. Raises `InputError` where it takes other inputs."""
    own = loaded.inputs
    if own.tensors == parent.tensors:
        return loaded.measured
    by_shape = {name: each.name for each in own.tensors if (name := _same(each.name, own, parent)) is not None}
    if len(by_shape) < len(own.tensors):
        raise InputError(
            "input", f"it takes {own.words}, the unpruned model {parent.words}: what they cost does not compare"
        )
    names = {own_name: name for name, own_name in by_shape.items()}
    return replace(loaded.measured, model=Renamed(loaded.measured.model, names).eval())


def _same(name: str, own: Inputs, parent: Inputs) -> str | None:
    """Return the unpruned model's name of an input: its own, or that of the only one where each has one."""
    wanted = next((each.shape, each.dtype) for each in own.tensors if each.name == name)
    shapes = {each.name: (each.shape, each.dtype) for each in parent.tensors}
    if shapes.get(name) == wanted:
        return name
    alone = len(own.tensors) == len(parent.tensors) == 1 and next(iter(shapes.values())) == wanted
    return next(iter(shapes)) if alone else None
