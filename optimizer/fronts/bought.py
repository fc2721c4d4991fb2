"""Bought: what the labels that a study bought say of a member, as it is stored with the study and shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from optimizer.errors import alternatives
from optimizer.views.member import Bought, View
from studies.records import Study

Double = Literal["tenth", "all"]  # which labels are asked twice
BATCH = 100  # texts asked at once
STAGE = "certify"  # of the events while models answer fresh texts
UNKNOWN = "?"  # the label of a text that whoever labels cannot tell
_STORED = "bought"  # in a study's context


class Standing(View):
    """Where the purchases of a study stand.

    `members` are in the order of trying. `waiting` is the member whose turn it is, None once all are certified; `more`
    is about how many labels it still needs, None where it hardly ever would be certified. `open_rows` labels were
    asked and are not given yet; `unasked` texts are left on which that member disagrees.
    """

    schema_version: int = 1
    study: str
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    members: tuple[Bought, ...]
    waiting: int | None
    more: int | None
    open_rows: int
    unasked: int
    what: str = "texts"  # or images
    double: Double = "tenth"  # which labels are asked twice

    @property
    def is_over(self) -> bool:
        """Whether no label is wanted any more: all members are certified, or the texts are used up."""
        return self.waiting is None or not self.open_rows + self.unasked

    @property
    def labels_in_words(self) -> str:
        """What may be given as a label."""
        return labels_in_words(self.classes)


def labels_in_words(classes: Sequence[str]) -> str:
    """Return what may be given as a label."""
    return alternatives([*classes, f"{UNKNOWN} where you cannot tell"])


def in_context(found: Sequence[Bought]) -> Mapping[str, Any]:
    """Return the entry of a study's context."""
    return {_STORED: [each.model_dump(mode="json") for each in found]}


def bought_of(study: Study) -> dict[int, Bought]:
    """Return candidate number -> what labels say of it, for the members that labels were bought for."""
    return {each["candidate"]: Bought(**each) for each in study.context.get(_STORED, ())}
