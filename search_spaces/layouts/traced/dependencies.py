"""Dependencies: the one adapter to torch-pruning, whose graph knows which entries of which layers belong together.

The graph follows residual additions, concatenations and flattened maps (Fang et al. 2023, "DepGraph").
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch_pruning  # type: ignore[import-untyped]  # ships no types
from torch import Tensor, nn
from torch_pruning._helpers import _HybridIndex  # type: ignore[import-untyped]
from torch_pruning.ops import OPTYPE  # type: ignore[import-untyped]

from search_spaces.layouts.layout import Axis, Link, UnprunableModelError
from search_spaces.layouts.surgery import share_structure
from search_spaces.layouts.traced.inputs import Inputs, answers, class_of, started
from search_spaces.layouts.traced.units import CannotFollowError, Units, is_grouped

_PRODUCTS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)
_FOLLOWERS = {OPTYPE.BN, OPTYPE.LN, OPTYPE.IN, OPTYPE.PRELU}
_WITHOUT_ENTRIES = {
    OPTYPE.ELEMENTWISE, OPTYPE.RESHAPE, OPTYPE.CONCAT, OPTYPE.SPLIT, OPTYPE.UNBIND, OPTYPE.SLICE, OPTYPE.EXPAND,
}  # fmt: skip


_Place = tuple[Any, Any]  # a node of the graph, and the side of it that shrinks


class OutputError(CannotFollowError):
    """The channels are outputs of the model, which stay as many as they are."""


class Dependencies:
    """The dependency graph of one model; the model itself is left as it is.

    Raises `UnprunableModelError` where the model fails on the inputs, or does what the graph cannot express.
    """

    def __init__(self, model: nn.Module, example_inputs: Inputs) -> None:
        twin = _trainable_twin(model).eval()
        with torch.enable_grad():
            self._graph = _graph_of(twin, example_inputs)
        self._names = {parameter: name for name, parameter in twin.named_parameters()}
        self._layers = {module: path for path, module in twin.named_modules()}
        self._widest = max((max(p.shape, default=1) for p in twin.parameters()), default=1)

    def roots(self) -> Iterator[str]:
        """Yield the paths of the layers whose outputs may lead a group, in the order of the model."""
        for layer, path in self._layers.items():
            if isinstance(layer, _PRODUCTS) and getattr(layer, "groups", 1) == 1 and layer in self._graph.module2node:
                yield path

    def links(self, root: str) -> tuple[Link, ...]:
        """Return everything that shrinks with the outputs of `root`.

        Raises `CannotFollowError` with the layers whose outputs cannot shrink either, since these go with them.
        """
        reached: dict[_Place, dict[int, int]] = {}
        try:
            number = self._units(self._graph.model.get_submodule(root), reached).numbers()
            links = [
                self._link(node, handler, {entry: number[unit] for entry, unit in owners.items()})
                for (node, handler), owners in reached.items()
                if owners and not _is_without_entries(node)
            ]
        except CannotFollowError as error:
            error.layers = frozenset(self._led(reached))
            raise
        return tuple({link.side: link for link in links}.values())  # a grouped convolution is met on both sides

    def _led(self, reached: Mapping[_Place, dict[int, int]]) -> Iterator[str]:
        """Yield the paths of the layers that write the channels."""
        for (node, handler), owners in reached.items():
            if owners and node.module in self._layers and self._graph.is_out_channel_pruning_fn(handler):
                yield self._layers[node.module]

    def _units(self, layer: nn.Module, reached: dict[_Place, dict[int, int]]) -> Units:
        """Return the units of the layer's outputs; `reached` gets every entry's unit by node and side of the node."""
        pruner = self._graph.get_pruner_of_module(layer)
        channels = [_HybridIndex(idx=unit, root_idx=unit) for unit in range(pruner.get_out_channels(layer))]
        start = (self._graph.module2node[layer], pruner.prune_out_channels)
        units, waiting = Units(len(channels)), [(start, channels)]
        reached[start] = {index.idx: index.root_idx for index in channels}
        while waiting:
            (node, handler), indices = waiting.pop()
            for place, mapped in self._next(node, handler, indices):
                if fresh := _added(reached.setdefault(place, {}), mapped, units):
                    waiting.append((place, fresh))
        for (node, _), owners in reached.items():
            units.join_groups(node.module, owners, self._layers.get(node.module, ""))
        return units

    def _next(
        self, node: Any, handler: Any, indices: list[_HybridIndex]
    ) -> Iterator[tuple[_Place, list[_HybridIndex]]]:
        for edge in node.dependencies:
            if edge.is_triggered_by(handler):
                yield (edge.target, edge.handler), self._mapped(edge, indices)
        if is_grouped(node.module):  # its inputs and outputs go together
            pruner = self._graph.get_pruner_of_module(node.module)
            for side in {pruner.prune_in_channels, pruner.prune_out_channels} - {handler}:
                yield (node, side), indices

    def _mapped(self, edge: Any, indices: list[_HybridIndex]) -> list[_HybridIndex]:
        try:
            for mapping in edge.index_mapping:
                indices = indices if mapping is None else mapping(indices)
        except IndexError as error:  # torch-pruning does not know where the split parts begin
            raise CannotFollowError("these channels are split on the way, as in a recurrent layer") from error
        if len(indices) > self._widest:  # a reshape other than flattening multiplies indices without end
            raise CannotFollowError("a reshape mixes these channels with positions")
        return indices

    def _link(self, node: Any, handler: Any, owners: dict[int, int]) -> Link:
        entries, units = torch.tensor(list(owners)), torch.tensor(list(owners.values()))
        if node.type == OPTYPE.PARAMETER:
            return Link(
                path=self._names[node.module], axis=Axis.PARAMETER, entries=entries, units=units, dim=node.pruning_dim
            )
        grows = self._graph.is_out_channel_pruning_fn(handler)
        if grows and not node.outputs:
            raise OutputError("these channels are outputs of the model")
        return Link(path=self._layers[node.module], axis=_axis(node, rows=grows), entries=entries, units=units)


def _added(owners: dict[int, int], indices: list[_HybridIndex], units: Units) -> list[_HybridIndex]:
    """Record the unit of every index and return the new ones; units that meet in one entry become one."""
    fresh = []
    for index in indices:
        if index.idx not in owners:
            owners[index.idx] = index.root_idx
            fresh.append(index)
        elif owners[index.idx] != index.root_idx:
            units.join(owners[index.idx], index.root_idx)
    return fresh


def _is_without_entries(node: Any) -> bool:
    shared = isinstance(node.module, nn.PReLU) and node.module.num_parameters == 1  # one slope for all channels
    return shared or node.type in _WITHOUT_ENTRIES


def _axis(node: Any, *, rows: bool) -> Axis:
    layer = node.module
    if node.type in _FOLLOWERS:
        return Axis.CHANNELS
    if isinstance(layer, nn.GroupNorm) or (is_grouped(layer) and layer.in_channels == layer.out_channels):
        return Axis.CHANNELS
    if isinstance(layer, _PRODUCTS) and not is_grouped(layer):
        return Axis.ROWS if rows else Axis.COLUMNS
    raise CannotFollowError(f"a {type(layer).__name__} cannot follow its channels")


def _trainable_twin(model: nn.Module) -> nn.Module:
    """Return a twin on the same storage, all of whose parameters take gradients: the graph is read off autograd."""
    twin = share_structure(model)
    fresh: dict[nn.Parameter, nn.Parameter] = {}
    for module in twin.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = fresh.setdefault(parameter, nn.Parameter(parameter.detach()))
    return twin


def _graph_of(model: nn.Module, example_inputs: Inputs) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of shapes that it could not infer; what matters is checked afterwards
            return torch_pruning.DependencyGraph().build_dependency(
                model, example_inputs, forward_fn=_traceable, verbose=False
            )
    except UnprunableModelError:
        raise
    except Exception as error:  # it fails in many ways on graphs that it does not know
        raise UnprunableModelError(
            f"{class_of(model)}: torch-pruning cannot follow its channels ({type(error).__name__}: {error}), as where "
            "a reshape or a split shuffles them; give a part of the model without that, or prune it by masks"
        ) from error


def _traceable(model: nn.Module, example_inputs: Inputs) -> list[Tensor]:
    """Return the model's answers; a failure becomes an error that names the last layer that ran."""
    with started(model) as paths:
        try:
            found = answers(model, example_inputs)
            if any(output.grad_fn is None for output in found):
                raise RuntimeError("an output does not depend on any parameter through autograd")
        except Exception as error:  # foreign forward code may raise anything
            raise UnprunableModelError(
                f"{paths[-1] if paths else 'the model'}: the model cannot be traced ({type(error).__name__}: {error}); "
                "give example inputs that the model accepts, and keep detach, item and NumPy out of its forward"
            ) from error
    return found
