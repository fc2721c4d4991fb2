"""Labels that a study buys: the texts on which the dense model and a member disagree, asked and answered in batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

SKIPPED = -1  # a label: whoever was asked could not tell


class Answer(NamedTuple):
    """The labels given to a text, as the model numbers classes: None for none yet, `SKIPPED` for none ever."""

    label: int | None = None
    again: int | None = None  # of a text that is asked twice


UNANSWERED = Answer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Disputed:
    """A text or image on which a member answers otherwise than the dense model.

    `place` is its own in the order of all texts of the purchase, fixed beforehand. `answers` `(members,)` are the
    members' classes. `batch` counts from 1 once its label was asked.
    """

    place: int
    content: tuple[str, ...]
    dense: int
    answers: tuple[int, ...]
    is_checked: bool  # asked twice
    batch: int | None = None
    answer: Answer = UNANSWERED


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """A stock of texts and what was fixed before the first label was asked: `plan`, JSON data of the optimizer's.

    `number` counts from 1 within the study. `keys` are the fingerprints of all texts, one after the other.
    """

    study_id: int
    number: int
    created_at: datetime
    plan: Mapping[str, Any]  # Any: JSON data
    keys: bytes
    texts: tuple[Disputed, ...]
