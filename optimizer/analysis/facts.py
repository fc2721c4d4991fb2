"""Facts that a name tells: ARCH_DATASET_METHOD_PDn_GPR-n of a pruned model, ARCH_DATASET_UNPRUNED of its parent."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

UNPRUNED = "UNPRUNED"
DISTRIBUTION = re.compile(r"PD\d+")
RATIO = re.compile(r"GPR-(\d+(?:\.\d+)?)")


class Facts(BaseModel):
    """What is known of a model without opening it. `ratio` is in percent; a word that is not told is empty."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str = ""
    dataset: str = ""
    method: str = ""
    distribution: str = ""
    ratio: float | None = None
    is_unpruned: bool = False

    @property
    def origin(self) -> tuple[str, str]:
        """What an unpruned model shares with those that were pruned from it."""
        return self.architecture, self.dataset


def facts_of(stem: str) -> Facts:
    """Return what a name tells; of one that follows no convention nothing."""
    parts = stem.split("_")
    if len(parts) >= 3 and parts[2:] == [UNPRUNED]:
        return Facts(architecture=parts[0], dataset=parts[1], is_unpruned=True)
    distribution = next((part for part in parts if DISTRIBUTION.fullmatch(part)), "")
    ratio = next((found[1] for part in parts if (found := RATIO.fullmatch(part))), None)
    if len(parts) < 4 or ratio is None:
        return Facts()
    method = parts[2] if not (DISTRIBUTION.fullmatch(parts[2]) or RATIO.fullmatch(parts[2])) else ""
    return Facts(architecture=parts[0], dataset=parts[1], method=method, distribution=distribution, ratio=float(ratio))
