"""ONNX Runtime as a backend of one study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from objectives.measurement import JsonScalar
from optimizer.backends.backend import OnnxInputs
from optimizer.backends.names import BY_TOKEN
from optimizer.backends.onnxruntime.checked import difference
from optimizer.backends.onnxruntime.graph import GraphBuilder, beside, written
from optimizer.backends.onnxruntime.layers import UnstitchedError
from optimizer.backends.onnxruntime.ranges import is_fixed, ranges_of
from optimizer.backends.onnxruntime.session import FIXED, INT8, REFUSED, SessionModel
from optimizer.backends.onnxruntime.stitched import stitched
from optimizer.backends.onnxruntime.template import kept_template, template
from optimizer.backends.onnxruntime.widths import Follows, Widths, followed, following, widths_of
from optimizer.errors import InputError
from search_spaces.layouts.requests import Inputs


@dataclass(frozen=True, slots=True)
class Graph:
    """A model as a graph, and its session."""

    built: GraphBuilder
    template: Any  # an `onnx.ModelProto`
    session: SessionModel

    def difference(self, model: nn.Module, requests: Sequence[Inputs]) -> float:
        """Return the difference from torch on some requests, 0 where it is tolerated."""
        return difference(self.session, model, requests, self.built)

    def save(self, path: Path) -> None:
        """Write one file that ONNX Runtime runs without this package."""
        path.write_bytes(written(self.built, self.template, whole=True).SerializeToString())


class OnnxRuntime:
    """`Backend` of graphs on the CPU. `exported` counts the models that needed an export of their own."""

    name = "onnxruntime"

    def __init__(self, dense: nn.Module, inputs: OnnxInputs, cache_dir: Path) -> None:
        self._dense, self._inputs, self._cache = dense, inputs, cache_dir
        self.exported = 0
        self._follow: dict[int, Follows] = {}  # numbers of the template that follow widths, as far as known

    def runs(self, model: nn.Module) -> SessionModel:
        """Return the model's session, whose answers are those of torch.

        Seconds where the model needs an export of its own, which its conditions then say; else milliseconds.
        """
        return self.graph(model).session

    def graph(self, model: nn.Module) -> Graph:
        """Return the model's graph, checked on the last request. Raises `InputError` as `own_graph`."""
        few, most = self._inputs.requests[-1:], self._inputs.requests[1:]
        try:
            found = _graph(self._template, model, self._inputs, self._numbers(model))
            if not found.difference(model, few) or not found.difference(model, most):  # few rows of integers say little
                return found
        except (UnstitchedError, *REFUSED):
            pass  # the widths of its layers show in the graph elsewhere, too
        self.exported += 1
        alone = own_graph(model, self._inputs)
        self._follow |= followed(self._template, alone.template, self._widths, widths_of(model))
        return alone

    def _numbers(self, model: nn.Module) -> dict[int, Any]:
        """Return, by their places in the template, the operators that hold numbers of this model's own."""
        nodes, smaller = self._template.graph.node, widths_of(model) if self._follow else {}
        return {at: following(nodes[at], each, self._widths, smaller) for at, each in self._follow.items()}

    @cached_property
    def _widths(self) -> Widths:
        return widths_of(self._dense)

    @cached_property
    def _template(self) -> Any:
        return kept_template(self._dense, self._inputs, self._cache)


def own_graph(model: nn.Module, inputs: OnnxInputs) -> Graph:
    """Return the graph of a model that was exported for it alone, checked on all requests but the first.

    Raises `InputError`, field "backend", where torch cannot write it or it answers otherwise.
    """
    try:
        found = _graph(template(model, inputs), model, inputs, {}, graph="exported alone")
        apart = found.difference(model, inputs.requests[1:])
    except (UnstitchedError, *REFUSED) as error:
        raise InputError("backend", f"onnxruntime does not take this model: {error}") from error
    if apart:
        raise InputError("backend", f"onnxruntime's logits differ from torch's by {apart:.1%} on this model; use torch")
    return found


def _graph(pattern: Any, model: nn.Module, inputs: OnnxInputs, numbers: Mapping[int, Any], **more: JsonScalar) -> Graph:
    ranges = ranges_of(model, inputs.calibration()) if inputs.calibration and is_fixed(model) else None
    built = stitched(pattern, model, ranges, numbers)
    graph = written(built, pattern, whole=False).SerializeToString()
    if ranges or built.integers:
        more |= {"dtype": INT8, "scales": FIXED if ranges else BY_TOKEN}
    return Graph(built, pattern, SessionModel(graph, beside(built), more=more))
