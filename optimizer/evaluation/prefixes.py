"""Prefixes: smaller models that share their first layers run them once; later ones begin behind those layers.

A sensitivity changes one layer of the dense model, a neighbour one or two layers of a candidate. What a layer gives is
kept when it is asked for a second time, within `KEPT_BYTES`; answers are the same to the last bit.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from optimizer.predict import predict
from optimizer.tasks.task import Task
from optimizer.tasks.texts.examples import AnyExamples
from search_spaces.config import Config, Form
from search_spaces.groups import Group
from search_spaces.layouts.named import has_row, layer_paths, width_of
from search_spaces.layouts.surgery import share_structure

KEPT_BYTES = 32 << 20
FLOAT_BYTES = 4
UNTRAINED = {Form.SLICED, Form.RECONSTRUCTED}

Given = dict[int, Any]  # what a layer gives, by the first example of the batch


class Prefixes:
    """Answers on the same `examples` of smaller forms of one `model`, whose configs name `groups`."""

    def __init__(self, model: nn.Module, groups: Sequence[Group], examples: AnyExamples, task: Task) -> None:
        self._examples, self._task = examples, task
        layers = layer_paths(model) if has_row(model, "tokens") else ()
        self._layers = layers[:-1]  # models that share the last one, too, are the same
        self._first = {group.name: _first_layer(group, layers) for group in groups}
        self._asked: set[Hashable] = set()
        self._kept: OrderedDict[Hashable, Given] = OrderedDict()
        size = FLOAT_BYTES * width_of(model) * int(examples.lengths.sum()) * examples.inputs_each if self._layers else 1
        self._room = KEPT_BYTES // size

    def answers(self, model: nn.Module, config: Config) -> NDArray[np.float32]:
        """Return the answers `(n, …)` of the model that `config` describes.

        A trained model shares no layer with any other.
        """
        if config.form not in UNTRAINED:
            return predict(model, self._examples, self._task)
        keys = [self._key(config, layer) for layer in range(len(self._layers))]
        known = max((layer for layer, key in enumerate(keys, start=1) if key in self._kept), default=0)
        asked = [layer for layer in range(known, len(keys)) if keys[layer] in self._asked][: self._room]
        small, batch, fresh = share_structure(model), threading.local(), {keys[layer]: Given() for layer in asked}
        for path in self._layers[:known]:
            small.get_submodule(path).forward = _give(self._kept[keys[known - 1]], batch)
        for layer in asked:
            small.get_submodule(self._layers[layer]).register_forward_hook(_kept_in(fresh[keys[layer]], batch))
        answers = predict(small, self._examples, self._task, before=lambda places: setattr(batch, "first", places[0]))
        self._keep(keys, fresh)
        return answers

    def _key(self, config: Config, layer: int) -> Hashable:
        """Return all that the output of a layer depends on."""
        levels = ((name, level) for name, level in config.levels.items() if self._first[name] <= layer)
        return layer, config.form, tuple(levels)

    def _keep(self, keys: Sequence[Hashable], fresh: dict[Hashable, Given]) -> None:
        """Keep what is new, in the place of what was used longest ago."""
        self._asked.update(keys)
        self._kept.update((key, given) for key, given in fresh.items() if None not in given.values())
        for key in keys:
            if key in self._kept:
                self._kept.move_to_end(key)
        while len(self._kept) > self._room:
            self._kept.popitem(last=False)


def _give(given: Given, batch: threading.local) -> Callable[..., Any]:
    return lambda *_, **__: given[batch.first]


def _kept_in(given: Given, batch: threading.local) -> Callable[[nn.Module, Any, Any], None]:
    def hook(_layer: nn.Module, _inputs: Any, output: Any) -> None:
        given[batch.first] = None if batch.first in given else output  # None: the layer is used several times

    return hook


def _first_layer(group: Group, layers: Sequence[str]) -> int:
    """Return the first layer that a group changes: 0 for what is in none of them."""
    paths = (*group.producers, *group.consumers)
    return min((i for path in paths for i, layer in enumerate(layers) if path.startswith(f"{layer}.")), default=0)
