"""The bank's key: everything that the ranking and the solves depend on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import sha256
from json import dumps

SOLVER_VERSION = 3  # raise when moments, ranking or solve change what they compute


@dataclass(frozen=True, slots=True, kw_only=True)
class BankKey:
    """What makes two banks the same."""

    weights: str  # hash of the dense model's weights
    examples: str  # hash of the calibration examples
    criterion: str  # the criterion's name with its settings
    damping: float
    dtype: str
    solver: int = SOLVER_VERSION

    @property
    def digest(self) -> str:
        """The name of the bank's folder: 24 hex digits."""
        return sha256(dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:24]
