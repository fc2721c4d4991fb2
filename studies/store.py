"""The store's contract: studies and candidates in, frozen records out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from objectives.measurement import Measurement
from studies.purchases import Answer, Disputed, Purchase
from studies.records import Candidate, Claim, Guest, Outcome, Proposal, Revision, Study, StudyState, Verification


class StoreError(Exception):
    """Root of a store's refusals and failures."""


class StudyNotFoundError(StoreError, LookupError):
    """No study has this name or id."""


class StudyExistsError(StoreError, ValueError):
    """A study of this name exists already."""


class StudySlugError(StoreError, ValueError):
    """A study cannot have this name. The text says which names it can have."""


class LabelError(StoreError, ValueError):
    """Tags or a note cannot be kept. The text gives their limits."""


class CandidateNotFoundError(StoreError, LookupError):
    """No candidate has this id."""


class StudyBusyError(StoreError, RuntimeError):
    """Another live process is running this study."""


class StudyTornError(StoreError, RuntimeError):
    """The study's record cannot be read, so that nothing can be changed of it; it can be deleted."""


class PurchaseError(StoreError, ValueError):
    """A purchase or a label contradicts what is stored. The text says how."""


class StudyLostError(StoreError, RuntimeError):
    """The study has gone to another process; its former process stops and writes nothing more."""


class StoreUnusableError(StoreError, RuntimeError):
    """The database cannot be used as it is: corrupt, read-only, newer, replaced. The text says what to do."""


class StoreOlderError(StoreUnusableError):
    """The database has an older version's tables; opening it for writing upgrades them."""


class StoreNewerError(StoreUnusableError):
    """A newer program has upgraded the tables while this one had the database open: this one must end."""


class StoreUnavailableError(StoreError, RuntimeError):
    """The database cannot serve now: unreachable, full, locked. Nothing of the call is kept; later it may be."""


class StudyStore(Protocol):
    """Keeps studies. Every method is one short transaction; every record returned is a value, never a live row.

    Every method raises `StoreUnavailableError` while the database cannot serve, and `StoreUnusableError` if it never
    will in its present state; a failed write leaves nothing half written.
    """

    def under(self, claim: Claim) -> StudyStore:
        """Return this store for the holder of a claim: its writes to that study raise `StudyLostError` once it is void.

        The check is part of each write's own transaction.
        """

    def create_study(
        self,
        slug: str,
        spec: Mapping[str, Any],
        *,
        owner: str | None = None,
        state: StudyState = StudyState.RUNNING,
    ) -> Study:
        """Create a study, claimed by this process if RUNNING. Raises `StudyExistsError`.

        `owner` is the id of the API key it is made for.
        """

    def claim_study(self, study_id: int) -> Study:
        """Mark a study RUNNING by this process; earlier claims become void, except the one that this store is under.

        Raises `StudyBusyError` while another live process runs it.
        """

    def study(self, name: str) -> Study:
        """Return a study by slug, or by id where `name` is all digits. Raises `StudyNotFoundError`."""

    def studies(self) -> Sequence[Study]:
        """Return all studies, newest first."""

    def slugs(self, beginning: str) -> frozenset[str]:
        """Return the slugs that begin so."""

    def page(
        self,
        *,
        after: int | None,
        limit: int,
        state: StudyState | None = None,
        owners: Collection[str] | None = None,
        search: str | None = None,
        tag: str | None = None,
    ) -> Sequence[Study]:
        """Return at most `limit` studies, newest first, from below the id `after` on (None: from the newest on).

        Only those in `state`, of one of `owners`, with `search` in their slug and with this tag, where these are given.
        """

    def revision(self, name: str) -> Revision:
        """Return a study's latest revision, by slug or id. Raises `StudyNotFoundError`."""

    def update_study(
        self,
        study_id: int,
        *,
        state: StudyState | None = None,
        error: str | None = None,
        context: Mapping[str, Any] | None = None,
        add_seconds: Mapping[str, float] | None = None,
        baseline: Sequence[Measurement] | None = None,
    ) -> Study:
        """Change what is given: `context` keys are merged, `add_seconds` is added by stage, `baseline` replaces."""

    def label_study(self, study_id: int, *, tags: Sequence[str] | None = None, note: str | None = None) -> Study:
        """Replace what is given of a study's tags and note. Raises `LabelError` for those that cannot be kept."""

    def widen_study(self, study_id: int, spec: Mapping[str, Any], reopened: Sequence[int]) -> Study:
        """Replace the spec of a study, of a larger ε, and put these STOPPED candidates back to RUNNING.

        They are evaluated again from their first example; everything else stays. Raises
        `CandidateNotFoundError` for a candidate that is not a stopped one of the study.
        """

    def delete_study(self, study_id: int) -> None:
        """Delete a study with all that belongs to it; its use of verification examples stays counted."""

    def start_candidate(self, study_id: int, proposal: Proposal) -> Candidate:
        """Return a RUNNING candidate for a proposal: a new one, or the one in flight of the same config."""

    def finish_candidate(self, candidate_id: int, outcome: Outcome) -> Candidate:
        """Record an outcome, once. Raises `StoreError` if the candidate is not RUNNING."""

    def add_measurements(self, candidate_id: int, measurements: Sequence[Measurement]) -> None:
        """Add what was measured after the evaluation (true latency, energy, memory), replacing equal quantities
        measured under equal conditions."""

    def shortlist(self, study_id: int, candidate_ids: Sequence[int]) -> None:
        """Fix the shortlist: exactly these candidates are marked, before any verification example is touched."""

    def verify_candidate(self, candidate_id: int, verification: Verification) -> None:
        """Record a candidate's verification and count the study among the users of those examples."""

    def candidates(self, study_id: int) -> Sequence[Candidate]:
        """Return all candidates of a study in number order."""

    def put_guest(self, study_id: int, guest: Guest) -> None:
        """Keep a model from elsewhere in place of one with the same files, or of what lay in its place before.

        The study is counted among the users of the examples that verified it.
        """

    def verification_uses(self, examples: str) -> int:
        """Return how many studies, deleted ones included, have verified on the examples of this hash."""

    def add_purchase(
        self, study_id: int, number: int, *, plan: Mapping[str, Any], keys: bytes, texts: Sequence[Disputed]
    ) -> None:
        """Keep a purchase of labels, the study's `number`-th from 1. Raises `PurchaseError` where there is one."""

    def purchases(self, study_id: int) -> Sequence[Purchase]:
        """Return the purchases of a study in their order."""

    def ask_labels(self, study_id: int, number: int, places: Collection[int], *, batch: int) -> None:
        """Note that these texts' labels are asked as a purchase's next batch, unless that was asked meanwhile."""

    def give_labels(self, study_id: int, number: int, answers: Mapping[int, Answer]) -> None:
        """Keep labels of a purchase by place. Raises `PurchaseError` for one that was given otherwise before."""

    def close(self) -> None:
        """Release connections; the store is not used afterwards."""
