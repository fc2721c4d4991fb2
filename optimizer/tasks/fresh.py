"""Fresh examples: unlabelled texts or images that no part of a study has seen, each once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

from optimizer.errors import InputError
from optimizer.tasks.texts.examples import AnyExamples

KEY_SIZE = 16  # bytes of an example's fingerprint
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """Examples `(n,)` without labels, in words `what`. `contents` are what a person is shown; `columns` name its parts.

    `classes` are names by the model's own numbers; notes count what was set aside.
    """

    contents: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...]
    keys: tuple[bytes, ...]
    examples: AnyExamples
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    what: str = "texts"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The places of fresh examples among those of a file, and what was set aside, in words."""

    places: tuple[int, ...]
    notes: tuple[str, ...]


def key_of(content: bytes | memoryview) -> bytes:
    """Return an example's fingerprint."""
    return blake2b(content, digest_size=KEY_SIZE).digest()


def fresh_places(keys: Sequence[bytes], known: Collection[bytes], what: str) -> Chosen:
    """Return the examples that are not `known`, each where it first occurs. Raises `InputError` where none is left."""
    first = dict(zip(reversed(keys), reversed(range(len(keys))), strict=True))
    places = tuple(sorted(place for key, place in first.items() if key not in known))
    counts = (
        (len(keys) - len(first), "repeats"),
        (len(first) - len(places), "that the study or an earlier purchase knows already"),
    )
    notes = tuple(f"{what} set aside: {count} {why}" for count, why in counts if count)
    if not places:
        raise InputError("texts", f"no fresh {what} are left; {'; '.join(notes) or 'there are none'}; give others")
    return Chosen(places, notes)
