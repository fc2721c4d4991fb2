"""Faults: what may happen to a candidate, and what becomes of it. A study goes on without a candidate that failed."""

from __future__ import annotations

from optimizer.errors import OptimizerError
from optimizer.progress import AbandonedError, CancelledError
from studies.records import CandidateState, Outcome
from studies.store import StoreError

ATTEMPTS = 3  # of a candidate whose worker dies or whose evaluation raises an error: it is tried twice more
NO_MEMORY = ("DefaultCPUAllocator", "not enough memory", "out of memory")  # in what torch raises as a RuntimeError
NOT_A_CANDIDATES = (OSError, OptimizerError, StoreError, AbandonedError, CancelledError)


class WorkerDiedError(Exception):
    """The process that answered a question ended before it had. The text says how."""


class TimeLimitError(Exception):
    """A question took longer than it may, and the process that answered it was ended."""


def is_candidates_own(error: BaseException, *, has_worked: bool) -> bool:
    """Whether an error may be a candidate's own, so that the study goes on without it.

    It is not where the input, the disk or the database is at fault. An error in the code of an evaluation counts as the
    study's before any candidate `has_worked`: all others would fail alike. Memory may suffice for smaller candidates.
    """
    if isinstance(error, WorkerDiedError | TimeLimitError) or is_out_of_memory(error):
        return True
    return has_worked and isinstance(error, Exception) and not isinstance(error, NOT_A_CANDIDATES)


def failed(error: BaseException, *, attempts: int) -> Outcome | None:
    """Return the outcome of a candidate after so many attempts; None where it deserves another.

    Time that was too short once is too short again.
    """
    if isinstance(error, TimeLimitError):
        return Outcome(state=CandidateState.FAILED, reason=str(error))
    return None if attempts < ATTEMPTS else out_of_attempts(error)


def out_of_attempts(error: BaseException) -> Outcome:
    """Return the outcome of a candidate whose last attempt ended so."""
    return Outcome(state=CandidateState.FAILED, reason=said(error))


def said(error: BaseException) -> str:
    """Return the reason why nothing came of all attempts."""
    what = str(error) if isinstance(error, WorkerDiedError) else f"{type(error).__name__}: {error}"
    return f"{what} ({ATTEMPTS} attempts)"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory does not suffice."""
    if isinstance(error, OptimizerError):
        return False
    said = str(error)
    return isinstance(error, MemoryError) or any(words in said for words in NO_MEMORY)


def out_of_memory(error: BaseException) -> str:
    """Return the reason of a candidate for which memory does not suffice."""
    first, *_ = str(error).splitlines() or [type(error).__name__]
    return f"out of memory: {first}"
