"""Proposed latency in a backend that fuses operators: whole networks are timed at random levels, and fitted.

Layers timed alone would not tell: what follows a layer is computed with it. So seconds are a sum, with coefficients of
at least zero, over what a network computes (`computed.py`). How far that is off is known from networks left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.optimize import nnls
from torch import Tensor, nn

from objectives.device import cpu_threads, device_of
from objectives.guard import measuring
from objectives.latency import forward_pass, interleaved_latency
from objectives.rounds import Run
from optimizer.backends.running import INTEGER_BITS
from optimizer.errors import InputError
from search_spaces.allocation import FloatArray
from search_spaces.config import Config
from search_spaces.groups import Group, GroupKind, config_of, dense_config

VERSION = 2  # raise when other networks are timed, or more of them is counted
NETWORKS = 32  # timed, the dense one among them
LEFT_OUT = 4  # one in so many is left out of the fit that says how far it is off
SECONDS = 0.25  # of the rounds of one network
SPREAD = 0.15  # of the shares of a network's groups around that of their kind

BITS_KINDS = (GroupKind.BITS, GroupKind.TABLE_BITS)
Computes = Callable[[Config], Mapping[str, float]]
Runs = Callable[[Config], nn.Module]


class FittedTable(BaseModel):
    """Seconds by what is computed; `dense` are those of the dense model in torch, `here` those in the backend.

    `median_error` and `largest_error` are relative, of the networks that were left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seconds: Mapping[str, float]
    dense: float
    here: float
    networks: int
    median_error: float
    largest_error: float

    def predict(self, computed: Mapping[str, float]) -> float:
        """Return the seconds of a network that computes so much."""
        return sum(self.seconds.get(kind, 0.0) * amount for kind, amount in computed.items())


@dataclass(frozen=True)
class FittedLatency:
    """The seconds of a config in the backend, compared with the dense model in torch; a `Cost`."""

    groups: Sequence[Group]
    computes: Computes
    table: FittedTable

    @property
    def dense(self) -> float:
        """The seconds of the dense model in torch, to which latency ratios are."""
        return self.table.dense

    def total(self, config: Config) -> float:
        """Return the seconds of the model that `config` describes."""
        return self.table.predict(self.computes(config))

    def ratio(self, config: Config) -> float:
        """Return the seconds as a ratio to the dense model's in torch."""
        return self.total(config) / self.dense

    def of_levels(self, group: Group) -> FloatArray:
        """Return the seconds at each of the group's levels, all other groups dense: `(levels,)`."""
        dense = dense_config(self.groups)
        return np.array([self.total(dense.replaced({group.name: level})) for level in group.levels])


def fit_table(
    groups: Sequence[Group],
    computes: Computes,
    runs: Runs,
    dense: nn.Module,
    request: Mapping[str, Tensor],
    *,
    threads: int,
) -> FittedTable:
    """Time networks one by one beside the dense model in torch, and fit their seconds.

    `runs` returns the model of a config as the backend runs it.
    """
    whole_ones = whole_configs(groups)
    configs = [*whole_ones, *random_configs(groups, NETWORKS - len(whole_ones))]
    ratios, dense_s, timed = [], [], []
    for config in configs:
        try:
            network = runs(config)
        except InputError:  # a network that the backend cannot run
            continue
        timed.append(config)
        with measuring(dense, network, threads=threads):
            pair: dict[str, Run] = {"dense": forward_pass(dense, request), "network": forward_pass(network, request)}
            rng, computing = np.random.default_rng(0), cpu_threads(device_of(dense))
            samples = interleaved_latency(pair, threads=computing, rng=rng, seconds=SECONDS)
        ratios.append(float(np.median(samples["network"] / samples["dense"])))
        dense_s.append(float(np.median(samples["dense"])))
    whole = float(np.median(dense_s))
    return fitted([computes(config) for config in timed], whole * np.array(ratios), dense=whole)


def fitted(computed: Sequence[Mapping[str, float]], seconds: FloatArray, *, dense: float) -> FittedTable:
    """Return the table of networks, the dense one first, that compute so much in so many `seconds` `(n,)`."""
    kinds = sorted({kind for each in computed for kind in each})
    amounts = np.array([[each.get(kind, 0.0) for kind in kinds] for each in computed])
    tested = np.arange(len(seconds)) % LEFT_OUT == LEFT_OUT - 1
    errors = np.abs(amounts[tested] @ _fit(amounts[~tested], seconds[~tested]) / seconds[tested] - 1)
    return FittedTable(
        seconds=dict(zip(kinds, _fit(amounts, seconds).tolist(), strict=True)),
        dense=dense,
        here=float(seconds[0]),
        networks=len(seconds),
        median_error=float(np.median(errors)),
        largest_error=float(errors.max()),
    )


def _fit(amounts: FloatArray, seconds: FloatArray) -> FloatArray:
    """Return the coefficients, at least zero, with the least squared relative errors."""
    relative = amounts / seconds[:, None]
    scale = np.maximum(relative.max(axis=0), np.finfo(float).tiny)
    found, _ = nnls(relative / scale, np.ones(len(seconds)))
    return np.asarray(found / scale)


def whole_configs(groups: Sequence[Group]) -> list[Config]:
    """Return the dense config and, where weights may have few bits, the one that is dense but for integers throughout.

    Of random configs none is: beside layers of floats every layer of integers converts what it reads and writes.
    """
    dense = dense_config(groups)
    integers = {
        group.name: INTEGER_BITS for group in groups if group.kind in BITS_KINDS and INTEGER_BITS in group.levels
    }
    return [dense, dense.replaced(integers)] if integers else [dense]


def random_configs(groups: Sequence[Group], number: int) -> list[Config]:
    """Return configs from the least to the most: all groups of a kind are near a share that is drawn for the kind."""
    rng = np.random.default_rng(0)
    kinds = sorted({group.kind for group in groups})
    found = []
    for _ in range(number):
        shares = dict(zip(kinds, rng.random(len(kinds)), strict=True))
        levels = {}
        for group in groups:
            share = float(np.clip(shares[group.kind] + SPREAD * rng.standard_normal(), 0, 1))
            levels[group.name] = group.levels[round(share * (len(group.levels) - 1))]
        found.append(config_of(groups, levels))
    return found
