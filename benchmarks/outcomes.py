"""Outcomes without a model: a formula for each config, and what may happen to a worker that evaluates it.

Apart from what proposes configs, because a worker needs this alone and starts without the rest.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from search_spaces.config import Config
from search_spaces.groups import Group, GroupKind
from studies.records import CandidateState, Outcome

if TYPE_CHECKING:
    from optimizer.evaluation.rivals import Rival

LAYERS, NEURONS, STEP = 3, 96, 8
EXAMPLES = 872


@cache
def groups() -> tuple[Group, ...]:
    """Return the heads and neurons of a small model."""
    return groups_of(layers=LAYERS, heads=12, neurons=NEURONS, step=STEP)


def groups_of(*, layers: int, heads: int, neurons: int, step: int) -> tuple[Group, ...]:
    """Return the heads and neurons of a model of so many layers, a level of neurons at every `step`."""
    kinds = ((GroupKind.HEADS, heads, 1), (GroupKind.NEURONS, neurons, step))
    return tuple(
        Group(
            name=f"layer.{layer}.{kind}",
            kind=kind,
            layer=layer,
            units=units,
            unit_size=1,
            levels=tuple(range(0, units + 1, each)),
            producers=(),
            consumers=(),
        )
        for layer in range(layers)
        for kind, units, each in kinds
    )


def harm(config: Config) -> float:
    """Return how far a config's answers diverge: what the tables say, and a noise that is its own."""
    kept = config.as_dict()
    alone = sum((1 + g.layer) * (1 - kept[g.name] / g.units) ** 2 for g in groups())
    return float(alone * (0.9 + 0.2 * share(config, "harm")))


def share(config: Config, purpose: str) -> float:
    """Return a number in [0, 1) that belongs to a config, the same in every process."""
    return int.from_bytes(sha256(f"{purpose} {config.canonical_json()}".encode()).digest()[:6]) / 2**48


def outcome_of(config: Config) -> Outcome:
    """Return the outcome of a config."""
    lost = round(EXAMPLES * 0.01 * harm(config))
    return Outcome(state=CandidateState.COMPLETE, drop=lost / EXAMPLES, seen=EXAMPLES, lost=lost, gained=0, reason=None)


@dataclass(frozen=True)
class Simulated:
    """An evaluator that takes some seconds for a config and one tenth of them to screen one."""

    seconds: float = 0.0

    def evaluate(self, config: Config, rivals: Sequence[Rival]) -> Outcome:
        """Return the outcome of a config."""
        del rivals
        time.sleep(self.seconds)
        return outcome_of(config)

    def divergences_of(self, configs: Sequence[Config]) -> tuple[float, ...]:
        """Return the divergences of configs."""
        time.sleep(self.seconds / 10 * len(configs))
        return tuple(map(harm, configs))


@dataclass(frozen=True)
class Hazardous(Simulated):
    """An evaluator that things happen to: `log` has a line for each. A `poison` config kills whoever evaluates it.

    Of all evaluations a share `dies`, `hangs`, and runs out of `memory`; it is another one each time.
    """

    log: Path = Path()
    poison: float = 0.02
    dies: float = 0.1
    hangs: float = 0.02
    memory: float = 0.03

    def evaluate(self, config: Config, rivals: Sequence[Rival]) -> Outcome:
        """Return the outcome of a config, if nothing happens."""
        chance = random.SystemRandom().random()
        if share(config, "poison") < self.poison:
            self._happen("poison", config)
            os.kill(os.getpid(), signal.SIGKILL)
        if chance < self.dies:
            self._happen("death", config)
            os.kill(os.getpid(), signal.SIGKILL)
        if chance < self.dies + self.hangs:
            self._happen("hang", config)
            time.sleep(3600)
        if chance < self.dies + self.hangs + self.memory:
            self._happen("memory", config)
            bytearray(1 << 60)
        return super().evaluate(config, rivals)

    def _happen(self, what: str, config: Config) -> None:
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"{what} {share(config, 'name'):.6f}\n")
