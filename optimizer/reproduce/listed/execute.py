"""One run: build the pruned network and count it; where it is to be timed, beside the unpruned one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from objectives.device import device_name
from objectives.size import count_parameters
from optimizer.analysis.costs import Bench, Measured
from optimizer.costs.request import Request
from optimizer.reproduce.listed.networks import SHAPE, count_macs, pruned, unpruned
from optimizer.reproduce.listed.preset import ListedPreset
from optimizer.reproduce.listed.records import BatchRecord, ListedKey, ListedRecord

FLOPS_PER_MAC = 2
META = "meta"  # shapes alone
DENSE, PRUNED = "unpruned", "pruned"


@dataclass
class Networks:
    """The unpruned networks: their shapes, and the weights of the last one that was timed."""

    preset: ListedPreset
    _built: dict[tuple[str, str], nn.Module] = field(default_factory=dict)

    def unpruned(self, name: str, device: str) -> nn.Module:
        """Return an unpruned network."""
        if (name, device) not in self._built:
            self._built = {key: net for key, net in self._built.items() if META in key}
            self._built[name, device] = unpruned(name, device=device)
        return self._built[name, device]

    def of(self, key: ListedKey, device: str) -> nn.Module:
        """Return the network of a run."""
        dense, pruning = self.unpruned(key.model, device), self.preset.pruning(key.configuration)
        if pruning is None:
            return dense
        return pruned(dense, self.preset.network(key.model), pruning, seed=key.pruning_seed)


def execute(key: ListedKey, networks: Networks) -> ListedRecord:
    """Return the counts of a network, and its costs where its configuration is timed."""
    counted = networks.of(key, META)
    place = "cuda" if torch.cuda.is_available() else "cpu"
    return ListedRecord(
        key=key,
        macs=count_macs(counted),
        parameters=count_parameters(counted),
        batches=tuple(_timed(key, networks, place)) if key.is_timed else (),
        device=device_name(torch.device(place)) if key.is_timed else None,
    )


def _timed(key: ListedKey, networks: Networks, place: str) -> Iterator[BatchRecord]:
    nets = {DENSE: networks.unpruned(key.model, place), PRUNED: networks.of(key, place)}
    models = {name: Measured(net, FLOPS_PER_MAC * count_macs(net)) for name, net in nets.items()}
    bench = Bench(_noise(key.seed), key.seconds, np.random.default_rng(key.seed))
    for batch in key.batch_sizes:
        yield BatchRecord.of(batch, bench.measure(models, dense=DENSE, batch=batch), dense=DENSE, pruned=PRUNED)


def _noise(seed: int) -> Request:
    """Return what makes a batch: normal random numbers, equal for equal seeds."""

    def request(batch: int) -> dict[str, Tensor]:
        return {"x": torch.randn(batch, *SHAPE, generator=torch.Generator().manual_seed(seed))}

    return request
