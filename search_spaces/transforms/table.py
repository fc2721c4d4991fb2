"""The transforms: one row each, in the order in which they are applied. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from search_spaces.transforms.transform import Transform


class TransformError(ValueError):
    """Transforms that do not exist or cannot be combined; the text names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is known of a transform before torch is loaded.

    `place` is `module:name` of its class, `words` what it does to a model. `follows` are the transforms that may come
    before it. `of_layout`: its groups are those of the layout, which a family prices itself. `trains`: every candidate
    is trained, and which costs it has shows afterwards, apart from those in `known`. `leaves_zeros`: layers keep their
    shape, so sizes are those of the smallest storage. `ends`: a recovered model is trained before it, in what the
    transforms before it left. `lasting` says why another study cannot prune its models again.
    """

    place: str
    words: str
    follows: frozenset[str] = frozenset()
    of_layout: bool = False
    trains: bool = False
    leaves_zeros: bool = False
    ends: bool = False
    lasting: str = ""
    known: frozenset[str] = field(default=frozenset({"flops", "latency", "energy", "parameters", "size"}))

    def load(self) -> Transform:
        """Return the transform."""
        module, _, name = self.place.partition(":")
        return cast("Transform", getattr(import_module(module), name)())


UNITS, VOCABULARY, MASKS, RANK, BITS = "units", "vocabulary", "masks", "rank", "bits"
AUTO = "auto"  # in the place of all: those that win where the study begins, among units, rank and bits

TRANSFORMS: dict[str, Row] = {
    UNITS: Row(
        place="search_spaces.transforms.units.transform:Units",
        words="heads, neurons and channels are removed",
        of_layout=True,
    ),
    VOCABULARY: Row(
        place="search_spaces.transforms.vocabulary.transform:Tokens",
        words="tokens that are rare in your texts lose their embeddings and are read as unknown",
        follows=frozenset({UNITS}),
    ),
    MASKS: Row(
        place="search_spaces.transforms.masks.transform:Masking",
        words="single weights and filters are masked, under a training",
        trains=True,
        leaves_zeros=True,
        lasting="its layers hold zeros, which another study would fill",
        known=frozenset({"parameters", "size"}),
    ),
    RANK: Row(
        place="search_spaces.transforms.rank.transform:LowRank",
        words="layers are split into two thin ones",
        lasting="its layers are split in two, which another study does not take apart",
        follows=frozenset({UNITS, VOCABULARY}),
    ),
    BITS: Row(
        place="search_spaces.transforms.bits.transform:Bits",
        words="weights are stored in 16, 8 or 4 bits",
        ends=True,
        lasting="its weights are rounded to few bits, which another study cannot undo",
        follows=frozenset({UNITS, VOCABULARY, RANK}),
    ),
}


def trains(names: Sequence[str]) -> bool:
    """Whether candidates of these transforms are trained."""
    return any(TRANSFORMS[name].trains for name in names)


def known_costs(names: Sequence[str]) -> frozenset[str]:
    """Return the costs that are known before a candidate of these transforms is built."""
    return frozenset.intersection(*(TRANSFORMS[name].known for name in names))


def check_transforms(names: Sequence[str]) -> None:
    """Raise `TransformError` unless the names exist, stand in their order, and may follow each other."""
    if not names:
        raise TransformError(f"name at least one of {_offered()}")
    if AUTO in names:
        raise TransformError(f"{AUTO} chooses by itself and stands alone; leave it out, or the others")
    unknown = [name for name in names if name not in TRANSFORMS]
    if unknown:
        raise TransformError(f"there is no {unknown[0]!r}; choose from {_offered()}")
    ordered = [name for name in TRANSFORMS if name in names]
    if list(names) != ordered:
        raise TransformError(f"name each once, in the order in which they are applied: {', '.join(ordered)}")
    for place, name in enumerate(names):
        before = [former for former in names[:place] if former not in TRANSFORMS[name].follows]
        if before:
            raise TransformError(f"{name!r} cannot follow {before[0]!r}; give them to two studies")


def _offered() -> str:
    return ", ".join(f"{name} ({row.words})" for name, row in TRANSFORMS.items()) + f", or {AUTO} alone"
