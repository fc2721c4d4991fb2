"""What every store requires of its input: names, JSON data, states, and the messages of refusals."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from objectives.measurement import Measurement
from studies.purchases import Answer
from studies.records import LONGEST_NOTE, LONGEST_TAG, MOST_TAGS, CandidateState, Claim, Guest, Outcome, Verification
from studies.store import (
    CandidateNotFoundError,
    LabelError,
    PurchaseError,
    StoreError,
    StudyExistsError,
    StudyLostError,
    StudyNotFoundError,
    StudySlugError,
)

_SLUG = re.compile(r"(?=.{1,80}$)[a-z0-9][a-z0-9._-]*(@[A-Za-z0-9][A-Za-z0-9._@-]*)?")
_LARGEST_ID_DIGITS = 9
_LONGEST_SHOWN = (
    200  # characters of a name in a message; longer ones are looked for among the known ones by their start
)
LARGEST_ID = 2**31 - 1  # of an INTEGER in PostgreSQL, which refuses to compare with more
LARGEST_SEQUENCE = 2**63 - 1


def utc_now() -> datetime:
    """Return the current time, timezone-aware, in UTC."""
    return datetime.now(UTC)


def could_be_slug(text: str) -> bool:
    """Whether a study can have this name."""
    return _SLUG.fullmatch(text) is not None and not text.isdecimal()


def checked_slug(slug: str) -> str:
    """Return a study's name unchanged. Raises `StudySlugError` for one that could be an id or is hard to type."""
    if not could_be_slug(slug):
        raise StudySlugError(
            f"study: the name {slug[:_LONGEST_SHOWN]!r} cannot be used; take 1 to 80 of a-z, 0-9, '.', '_' and '-', "
            "beginning with a letter or digit and not all digits"
        )
    return slug


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags, each once, sorted. Raises `LabelError` for too many, empty or too long ones."""
    found = sorted({text_data(tag).strip() for tag in tags})
    if len(found) > MOST_TAGS or not all(1 <= len(tag) <= LONGEST_TAG for tag in found):
        raise LabelError(f"tags: at most {MOST_TAGS}, of 1 to {LONGEST_TAG} characters each")
    return tuple(found)


def checked_note(note: str) -> str:
    """Return a note. Raises `LabelError` for too long a one."""
    text = text_data(note).strip()
    if len(text) > LONGEST_NOTE:
        raise LabelError(f"note: at most {LONGEST_NOTE} characters, not {len(text)}")
    return text


def id_in(name: str) -> int | None:
    """Return the id that a study's name spells, or None where it is a slug (or larger than any id)."""
    return int(name) if name.isascii() and name.isdecimal() and len(name) <= _LARGEST_ID_DIGITS else None


def json_data(value: object, *, field: str) -> Any:  # Any: JSON data
    """Return a deep copy of `value` as JSON returns it (tuples become lists). Raises `StoreError` naming `field`."""
    try:
        return readable_data(json.loads(json.dumps(value, allow_nan=False, default=_plain)))
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{field}: not JSON data ({error}); keep finite numbers, texts, lists and mappings") from error


def _plain(value: object) -> dict[Any, Any]:  # Any: a mapping's values
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def checked_measurement(measurement: Measurement) -> Measurement:
    """Return a measurement as every store returns it: conditions and samples are JSON data, nothing is shared."""
    of = measurement.quantity
    if not measurement.conditions and not measurement.samples:  # as most have, and so cheap to keep
        return replace(measurement, conditions={}, samples=())
    return replace(
        measurement,
        conditions=json_data(measurement.conditions, field=f"conditions of {of}"),
        samples=tuple(json_data([float(sample) for sample in measurement.samples], field=f"samples of {of}")),
    )


def text_data(text: str) -> str:
    """Return `text` with what databases refuse (NUL, lone surrogates) written as escapes."""
    return _without_surrogates(text).replace("\0", "\\x00")


def _without_surrogates(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def readable_data(value: Any) -> Any:  # Any: JSON data
    """Return JSON data with lone surrogates, which UTF-8 cannot hold, as escapes: it can be sent and printed."""
    if isinstance(value, str):
        return _without_surrogates(value)
    if isinstance(value, dict):
        return {_without_surrogates(name): readable_data(item) for name, item in value.items()}
    return [readable_data(item) for item in value] if isinstance(value, list) else value


def finished_already(number: int, state: CandidateState) -> StoreError:
    """Return the error for a second outcome of a candidate."""
    return StoreError(f"candidate {number} is {state} already; an outcome is recorded once")


def is_sound(outcome: Outcome) -> bool:
    """Whether a candidate in flight can take this outcome; `checked_outcome` says what is wrong with it."""
    with suppress(StoreError):
        checked_outcome(outcome, number=0)
        return True
    return False


def checked_outcome(outcome: Outcome, *, number: int) -> Outcome:
    """Return an outcome that a candidate in flight can take. Raises `StoreError` otherwise."""
    if outcome.state is CandidateState.RUNNING:
        raise StoreError(f"candidate {number}: an outcome is complete, stopped or failed, not running")
    refuse_nan(number, drop=outcome.drop, seconds=outcome.seconds)
    return outcome


def checked_verification(verification: Verification, *, number: int, is_first: bool) -> Verification:
    """Return a verification that a candidate can take. Raises `StoreError` for a second one."""
    if not is_first:
        raise StoreError(f"candidate {number} is verified already; verification happens once")
    refuse_nan(number, metric=verification.metric, drop=verification.drop)
    return verification


def checked_guest(guest: Guest) -> Guest:
    """Return a model from elsewhere that can be kept. Raises `StoreError` for one whose metric is not a number."""
    if math.isnan(guest.verification.metric) or math.isnan(guest.verification.drop):
        raise StoreError(f"model {guest.name}: its metric is not a number; leave it out")
    return guest


def refuse_taken_purchase(number: int, known: int) -> None:
    """Raise `PurchaseError` unless a purchase is the next after the `known` ones."""
    if number != known + 1:
        raise PurchaseError(f"purchase {number} cannot follow {known}: another was made meanwhile; begin again")


def checked_answer(place: int, known: Answer, given: Answer) -> Answer:
    """Return the labels of a text with those `given` added. Raises `PurchaseError` for one that becomes another."""
    for before, now in zip(known, given, strict=True):
        if None not in (before, now) and before != now:
            raise PurchaseError(f"text {place} has a label already, and a label is given once; restore it")
    return Answer(*(before if now is None else now for before, now in zip(known, given, strict=True)))


def refuse_nan(number: int, **values: float | None) -> None:
    """Raise `StoreError` naming the field that is NaN; a database would store NULL."""
    for name, value in values.items():
        if value is not None and math.isnan(value):
            raise StoreError(f"candidate {number}: {name} is not a number; record the candidate as failed instead")


def refuse_repetition(number: int, state: CandidateState) -> None:
    """Raise `StoreError` for a config whose candidate is finished."""
    if state is not CandidateState.RUNNING:
        raise StoreError(f"this config is candidate {number}, {state} already; reuse its outcome")


def not_of_this_study(candidate_ids: Iterable[int]) -> CandidateNotFoundError:
    """Return the error for candidates of another study, or of none."""
    return CandidateNotFoundError(f"candidates: no ids {sorted(candidate_ids)} in this study")


def no_such_candidate(candidate_id: int) -> CandidateNotFoundError:
    """Return the error for an unknown candidate id."""
    return CandidateNotFoundError(f"candidate: none has the id {candidate_id}")


def study_exists(slug: str) -> StudyExistsError:
    """Return the error for a name that is taken."""
    return StudyExistsError(f"study: {slug!r} exists already; resume it, or choose another name")


def refuse_void(claim: Claim | None, study_id: int, claims: int) -> None:
    """Raise `StudyLostError` where a claim is to this study and the study has gone to another."""
    if claim is not None and claim.study_id == study_id and claim.number != claims:
        raise StudyLostError(f"study {study_id}: another process has it by now; nothing more is written from here")


def no_such_study(name: str | int, slugs: Iterable[str]) -> StudyNotFoundError:
    """Return the error for an unknown study, with the nearest names."""
    known, called = sorted(slugs), str(name)[:_LONGEST_SHOWN]
    near = difflib.get_close_matches(called.lower(), known, n=3, cutoff=0.4) or known[:3]
    hint = f"did you mean {', '.join(map(repr, near))}?" if near else "there are no studies in this database yet"
    return StudyNotFoundError(f"study: none is called {called!r}; {hint}")
