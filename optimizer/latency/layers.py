"""Proposed latency of an image network: its layers timed alone at a few widths, calibrated by whole narrow networks.

A convolution's time depends on the channels that it reads and on those that it writes, so every layer has a grid over
both sides, linear in between, or in steps where the layer is measured to have them (`steps.py`). Activations and
additions are not timed alone. Their time grows with the layers', so the sum over the layers is calibrated to seconds of
the whole network by timed networks of uniform width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.interpolate import RegularGridInterpolator
from torch import Tensor, nn

from objectives.device import cpu_threads, device_fingerprint, device_of
from objectives.guard import measuring
from objectives.latency import forward_pass, interleaved_latency, waited_for
from objectives.measurement import JsonScalar
from objectives.repeats import Key
from objectives.rounds import MIN_ROUNDS, Run
from optimizer.costs.request import Request
from optimizer.latency.kept import kept_table
from optimizer.latency.proposed import threads_of
from optimizer.latency.steps import end_of, step_of
from optimizer.spec import StudySpec
from search_spaces.allocation import FloatArray
from search_spaces.config import Config
from search_spaces.groups import Group, dense_config
from search_spaces.layouts.layers import shrink_layer, side_sizes
from search_spaces.layouts.layout import Axis, Layout, Side
from search_spaces.layouts.surgery import share_structure
from search_spaces.transforms.units.materialize import outline

VERSION = 2  # raise when other widths are timed, or found otherwise
SHARES = (0.0, 0.15, 0.35, 0.65, 1.0)  # of all groups, least level first; no powers of two: their kernels are faster
LAYER_SECONDS, WHOLE_SECONDS = 0.2, 3.0
Counts = Mapping[Side, int]


class LayerTimes(BaseModel):
    """Seconds of one layer over a grid: `counts` of entries for each of its `axes`, ascending, the last one dense.

    `steps` are the numbers of entries of an axis that cost as much together as the first of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    axes: tuple[Axis, ...]
    counts: tuple[tuple[int, ...], ...]
    steps: tuple[int, ...]
    seconds: tuple[float, ...]  # the last axis moves first

    def at(self, kept: tuple[int, ...]) -> float:
        """Return the seconds at `kept` entries per axis: of the ends of their steps, linear between those timed.

        Below the smallest that was timed it is flat.
        """
        sides = zip(self.counts, kept, self.steps, strict=True)
        inside = [max(counts[0], end_of(count, step, counts[-1])) for counts, count, step in sides]
        return float(self._grid(inside)[0])

    @cached_property
    def _grid(self) -> RegularGridInterpolator:
        return RegularGridInterpolator(self.counts, np.reshape(self.seconds, [*map(len, self.counts)]))


class LayerTable(BaseModel):
    """Layers by path, and whole networks: the sums over their layers, ascending, with the seconds they took."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    layers: Mapping[str, LayerTimes]
    sums: tuple[float, ...]
    whole: tuple[float, ...]

    def predict(self, kept: Counts) -> float:
        """Return the seconds of a network with these numbers of entries per side."""
        return float(np.interp(sum_of_layers(self.layers, kept), self.sums, self.whole))


def sum_of_layers(layers: Mapping[str, LayerTimes], kept: Counts) -> float:
    """Return the seconds of all layers, each timed alone."""
    return sum(times.at(tuple(kept[path, axis] for axis in times.axes)) for path, times in layers.items())


class LayerLatency:
    """The seconds of a config from a table; a `Cost`."""

    def __init__(self, space: Layout, table: LayerTable) -> None:
        self._space, self._table = space, table
        self.dense = table.predict(space.sizes)

    def total(self, config: Config) -> float:
        """Return the seconds of the network that `config` describes."""
        return self._table.predict(self._space.kept_counts(config))

    def ratio(self, config: Config) -> float:
        """Return the seconds as a ratio to the dense network's."""
        return self.total(config) / self.dense

    def of_levels(self, group: Group) -> FloatArray:
        """Return the seconds at each of the group's levels, all other groups dense: `(levels,)`."""
        dense = dense_config(self._space.groups)
        return np.array([self.total(dense.replaced({group.name: level})) for level in group.levels])


def layer_latency(
    spec: StudySpec,
    model: nn.Module,
    space: Layout,
    *,
    request: Request,
    conditions: Mapping[str, JsonScalar],
    cache_dir: Path,
) -> LayerLatency:
    """Return the seconds of a request."""
    batch, threads = spec.batch_sizes[0], threads_of(spec)
    holds_for = {
        "device": device_fingerprint(device_of(model)),
        "dtype": str(next(model.parameters()).dtype),
        "version": VERSION,
        "network": str(model),
        "groups": [(group.name, group.units) for group in space.groups],
        "request": [*conditions.items()],
        "batch": batch,
        "threads": threads,
    }
    build = partial(_build, model, space, request(batch), threads=threads)
    return LayerLatency(space, kept_table(LayerTable, holds_for, cache_dir, build))


def _build(model: nn.Module, space: Layout, request: Mapping[str, Tensor], *, threads: int) -> LayerTable:
    configs = [Config.of({group.name: level_at(group, share) for group in space.groups}) for share in SHARES]
    widths = [space.kept_counts(config) for config in configs]
    finest = [space.kept_counts(config) for config in _at_every_level(space)]
    networks = [outline(model, space, config) for config in configs]
    with measuring(*networks, model, threads=threads):
        layers = _times(model, widths, request, finest=finest)
        runs = {index: forward_pass(network, request) for index, network in enumerate(networks)}
        rng, computing = np.random.default_rng(0), cpu_threads(device_of(model))
        samples = interleaved_latency(runs, threads=computing, rng=rng, seconds=WHOLE_SECONDS)
    pairs = [(sum_of_layers(layers, kept), float(np.median(samples[index]))) for index, kept in enumerate(widths)]
    sums, whole = zip(*sorted(pairs), strict=True)  # differences between tiny networks are below the noise
    return LayerTable(layers=layers, sums=sums, whole=whole)


def level_at(group: Group, share: float) -> int:
    """Return the level of a group that is nearest to a share of its units, and keeps some."""
    return max(group.nearest_level(share * group.units), next(level for level in group.levels if level))


def _at_every_level(space: Layout) -> list[Config]:
    """Return configs in which each group has each of its levels."""
    most = max(len(group.levels) for group in space.groups)
    return [
        Config.of({group.name: group.levels[max(0, len(group.levels) - 1 - back)] for group in space.groups})
        for back in range(most)
    ]


def _times(
    model: nn.Module, widths: Sequence[Counts], request: Mapping[str, Tensor], *, finest: Sequence[Counts] = ()
) -> dict[str, LayerTimes]:
    """Time every prunable layer at the `widths` that it has in whole networks, ascending, or at the ends of its steps.

    `finest` are all the widths that it may have.
    """
    sides, every = _by_layer(widths), _by_layer([*finest, widths[-1]])
    timed: dict[str, LayerTimes] = {}
    found = {}
    for path, (shape, calls) in calls_of(model, sides, request).items():
        layer, counts = model.get_submodule(path), sides[path]
        alike = f"{layer} at {counts} of {shape}, {calls} times"
        if _channel_dim(layer, shape) is None:
            continue
        if alike not in timed:
            timed[alike] = _time(layer, counts, every[path], shape, calls)
        found[path] = timed[alike]
    return found


def _by_layer(widths: Sequence[Counts]) -> dict[str, dict[Axis, list[int]]]:
    """Return the different numbers of entries of each side of each layer, ascending."""
    sides: dict[str, dict[Axis, list[int]]] = {}
    for path, axis in widths[-1]:
        if axis is not Axis.PARAMETER:
            sides.setdefault(path, {})[axis] = sorted({kept[path, axis] for kept in widths})
    return sides


def calls_of(
    model: nn.Module, paths: Iterable[str], request: Mapping[str, Tensor]
) -> dict[str, tuple[tuple[int, ...], int]]:
    """Return the input shape of every layer at its first call in a pass, and the number of its calls.

    A layer that is called by keywords, or never, is left out: the whole networks account for its time.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    calls: Counter[str] = Counter()

    def note(path: str, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        if inputs:
            shapes.setdefault(path, tuple(inputs[0].shape))
            calls[path] += 1

    handles = [model.get_submodule(path).register_forward_pre_hook(partial(note, path)) for path in paths]
    try:
        model(**request)
    finally:
        for handle in handles:
            handle.remove()
    return {path: (shape, calls[path]) for path, shape in shapes.items()}


def _time(
    layer: nn.Module,
    counts: Mapping[Axis, list[int]],
    every: Mapping[Axis, list[int]],
    shape: tuple[int, ...],
    calls: int,
) -> LayerTimes:
    dense = {axis: widths[-1] for axis, widths in counts.items()}

    def at(axis: Axis, width: int) -> Run:
        return _run(layer, {**dense, axis: width}, shape)

    times = partial(_interleaved, layer)
    steps = {axis: step_of(layer, every[axis], partial(at, axis), times) for axis in counts}
    grid = {
        axis: sorted({end_of(width, steps[axis], dense[axis]) for width in widths}) for axis, widths in counts.items()
    }
    samples = times({kept: _run(layer, dict(zip(grid, kept, strict=True)), shape) for kept in product(*grid.values())})
    return LayerTimes(
        axes=tuple(grid),
        counts=tuple(map(tuple, grid.values())),
        steps=tuple(steps.values()),
        seconds=tuple(calls * float(np.median(each)) for each in samples.values()),
    )


def _interleaved(layer: nn.Module, runs: Mapping[Key, Run]) -> dict[Key, NDArray[np.float64]]:
    rng, threads = np.random.default_rng(0), cpu_threads(device_of(layer))
    return interleaved_latency(runs, threads=threads, rng=rng, seconds=LAYER_SECONDS, min_rounds=MIN_ROUNDS)


def _run(layer: nn.Module, kept: Mapping[Axis, int], shape: tuple[int, ...]) -> Run:
    """Return a function that runs the layer with its first entries of each side; times are the same for any entries."""
    small, sizes, sides = share_structure(layer), side_sizes(layer), list(shape)
    shrink_layer(small, {axis: torch.arange(count) for axis, count in kept.items() if count < sizes[axis]})
    for axis in kept.keys() & {Axis.COLUMNS, Axis.CHANNELS}:
        dim = _channel_dim(layer, shape)
        assert dim is not None  # others are not timed
        sides[dim] = kept[axis]
    device = device_of(layer)
    return waited_for(partial(small, torch.randn(sides, device=device)), device)


def _channel_dim(layer: nn.Module, shape: tuple[int, ...]) -> int | None:
    """Return the input dimension of a layer's channels; None where its shape is ambiguous.

    Layer norms of images, subclasses of the plain one, may have channels first or last.
    """
    if isinstance(layer, nn.Linear) or type(layer) is nn.LayerNorm:
        return -1
    if not isinstance(layer, nn.LayerNorm):
        return 1
    dims = [dim for dim in (1, -1) if shape[dim] == layer.normalized_shape[-1]]
    return dims[0] if len(dims) == 1 else None
