"""Proposed latency of layers that are split in two: timed alone, whole and at a few ranks.

Of a layer that units have narrowed, whole and split are taken to need the share of the time that they have of the
weights. Layers that are alike are timed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from objectives.device import cpu_threads, device_fingerprint, device_of
from objectives.guard import measuring
from objectives.latency import interleaved_latency, waited_for
from objectives.rounds import MIN_ROUNDS, Run
from optimizer.costs.request import Request
from optimizer.latency.kept import kept_table
from optimizer.latency.layers import LAYER_SECONDS, calls_of
from optimizer.latency.proposed import threads_of
from optimizer.spec import StudySpec
from search_spaces.layouts.surgery import share_structure
from search_spaces.transforms.rank.layers import ranks, weights_per_rank, with_rank
from search_spaces.transforms.transform import LayerShape

SHARES = (0.0, 0.15, 0.4, 1.0)  # of the ranks that pay, the least first


class SplitTimes(BaseModel):
    """Seconds of one layer in a request: `whole`, and at `ranks`, ascending, the `seconds` of the two that replace it.

    `weight` is its shape.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    weight: tuple[int, ...]
    whole: float
    ranks: tuple[int, ...]
    seconds: tuple[float, ...]

    def saved(self, shape: LayerShape) -> float:
        """Return the seconds that a split saves."""
        thin = float(np.interp(shape.kept, self.ranks, self.seconds))
        share = np.prod(shape.weight) / np.prod(self.weight)
        return float(self.whole * share - thin * shape.weights_per_unit / weights_per_rank(self.weight))


class SplitTable(BaseModel):
    """The times of layers by path."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    layers: Mapping[str, SplitTimes]

    def saved(self, path: str, shape: LayerShape) -> float:
        """Return the seconds that a change of a layer saves in a request: none, unless it splits the layer.

        Fewer bits of what a split has left save none beside those that the split saves.
        """
        return self.layers[path].saved(shape) if shape.is_split and not shape.bits else 0.0


def split_table(
    spec: StudySpec, model: nn.Module, paths: Sequence[str], *, request: Request, cache_dir: Path
) -> SplitTable:
    """Return the times of the layers at `paths` in a request."""
    inputs, threads = request(spec.batch_sizes[0]), threads_of(spec)
    holds_for = {
        "device": device_fingerprint(device_of(model)),
        "dtype": str(next(model.parameters()).dtype),
        "split": [f"{path}: {model.get_submodule(path)}" for path in paths],
        "request": [f"{name}: {tuple(tensor.shape)}" for name, tensor in inputs.items()],
        "threads": threads,
    }
    return kept_table(SplitTable, holds_for, cache_dir, partial(_build, model, paths, inputs, threads=threads))


def _build(model: nn.Module, paths: Iterable[str], inputs: Mapping[str, Tensor], *, threads: int) -> SplitTable:
    timed: dict[str, SplitTimes] = {}
    found = {}
    with measuring(model, threads=threads), torch.inference_mode():
        for path, (shape, calls) in calls_of(model, paths, inputs).items():
            layer = model.get_submodule(path)
            alike = f"{layer} of {shape}, {calls} times"
            if alike not in timed:
                timed[alike] = _time(layer, shape, calls)
            found[path] = timed[alike]
    return SplitTable(layers=found)


def _time(layer: nn.Module, shape: tuple[int, ...], calls: int) -> SplitTimes:
    weight = layer.get_parameter("weight")
    *paying, full = ranks(tuple(weight.shape))
    chosen = sorted({paying[round(share * (len(paying) - 1))] for share in SHARES})
    if isinstance(layer, nn.Embedding):
        example = torch.randint(0, layer.num_embeddings, shape, device=weight.device)
    else:
        example = torch.randn(shape, device=weight.device)
    forms = {full: layer, **{rank: with_rank(share_structure(layer), rank) for rank in chosen}}
    runs: dict[int, Run] = {rank: waited_for(partial(form, example), weight.device) for rank, form in forms.items()}
    rng, threads = np.random.default_rng(0), cpu_threads(weight.device)
    samples = interleaved_latency(runs, threads=threads, rng=rng, seconds=LAYER_SECONDS, min_rounds=MIN_ROUNDS)
    seconds = {rank: calls * float(np.median(samples[rank])) for rank in runs}
    return SplitTimes(
        weight=tuple(weight.shape),
        whole=seconds[full],
        ranks=tuple(chosen),
        seconds=tuple(seconds[rank] for rank in chosen),
    )
