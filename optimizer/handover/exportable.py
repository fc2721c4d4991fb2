"""Check the candidate and the directory of an export before the model is loaded, which takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optimizer.errors import InputError
from studies.records import Candidate, CandidateState, Study

SHOWN = 20  # numbers of candidates in a message


def exportable(candidates: Sequence[Candidate], study: Study, number: int) -> Candidate:
    """Return the study's candidate with that number. Raises `InputError` unless it was fully evaluated."""
    found = {candidate.number: candidate for candidate in candidates}
    whole = [str(n) for n, candidate in found.items() if candidate.state is CandidateState.COMPLETE]
    if number in found and found[number].state is CandidateState.COMPLETE:
        return found[number]
    why = f"is {found[number].state.value}, so its evaluation is incomplete" if number in found else "does not exist"
    shown = ", ".join(whole[:SHOWN]) + (f", … ({len(whole)} in all)" if len(whole) > SHOWN else "")
    there = f"can export {shown}" if whole else f"is {study.state} and has no fully evaluated candidate"
    raise InputError("candidate", f"{number} {why}; {study.slug!r} {there}")


def refuse_filled(directory: Path) -> None:
    """Raise `InputError` unless the path is free or an empty directory."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError("directory", f"{directory} is not empty; name a new directory")
