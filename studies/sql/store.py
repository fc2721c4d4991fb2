"""The store in SQL, for SQLite and PostgreSQL.

Every method is one transaction. A write begins by locking its study's row, so that writes to one study follow each
other and its revision counts them; a read takes a fixed number of queries, however many candidates there are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Self

from sqlalchemy import delete, func, select, true, update

from objectives.measurement import Measurement
from studies.ownership import Owner
from studies.purchases import Answer, Disputed, Purchase
from studies.records import (
    Candidate,
    CandidateState,
    Claim,
    Guest,
    Outcome,
    Proposal,
    Revision,
    Study,
    StudyState,
    Verification,
)
from studies.rules import (
    checked_note,
    checked_tags,
    checked_verification,
    json_data,
    no_such_study,
    not_of_this_study,
    text_data,
    utc_now,
)
from studies.sql import candidates, guests, purchases, writes
from studies.sql.convert import verification_values
from studies.sql.database import Database
from studies.sql.events import append_state
from studies.sql.queries import (
    candidates_of,
    is_named,
    latest_revision,
    page_condition,
    slugs,
    study_by_id,
    study_records,
)
from studies.sql.tables import CandidateRow, StudyRow, VerificationRow, VerificationUseRow
from studies.store import StudyTornError


class SqlStore:
    """A `StudyStore` in a SQL database. Threads may share one; other processes open their own.

    `clock` gives the current time in UTC; `owner` is the process on whose behalf studies are claimed; writes to the
    study of a `claim` are refused once it is void.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime] = utc_now,
        owner: Owner | None = None,
        claim: Claim | None = None,
    ) -> None:
        self.database = database
        self._clock = clock
        self._owner = owner or Owner.of_this_process()
        self._claim = claim

    @classmethod
    def open(cls, text: str, *, read_only: bool = False) -> Self:
        """Open a database, made or brought up to date unless `read_only`. Raises `StoreUnusableError`."""
        return cls(Database.open(text, read_only=read_only))

    def under(self, claim: Claim) -> SqlStore:
        """Return this store for the holder of a claim."""
        return SqlStore(self.database, clock=self._clock, owner=self._owner, claim=claim)

    def create_study(
        self,
        slug: str,
        spec: Mapping[str, Any],
        *,
        owner: str | None = None,
        state: StudyState = StudyState.RUNNING,
    ) -> Study:
        """Create a study, this process's if it is RUNNING. Raises `StudyExistsError`, `StudySlugError`."""
        now = self._clock()
        row = writes.new_study(slug, spec, owner=owner, state=state, now=now)
        writes.set_state(row, state, self._owner)
        with self.database.write() as session:
            writes.add_study(session, row)
            append_state(session, row, now=now)
            return study_by_id(session, row.id)

    def claim_study(self, study_id: int) -> Study:
        """Mark a study RUNNING by this process, its error forgotten. Raises `StudyBusyError`."""
        now = self._clock()
        with self.database.write() as session:
            writes.refuse_busy(writes.locked_study(session, study_id, self._claim), self._owner, now=now)
            row = writes.changed_study(session, study_id, now, claim=self._claim)
            row.error = None
            row.claims += self._claim is None
            if writes.set_state(row, StudyState.RUNNING, self._owner):
                append_state(session, row, now=now)
            session.flush()
            return study_by_id(session, study_id)

    def study(self, name: str) -> Study:
        """Return a study by slug, or by id where `name` is all digits. Raises `StudyNotFoundError`."""
        with self.database.read() as session:
            found = study_records(session, is_named(name))
            if not found:
                raise no_such_study(name, slugs(session))
            return found[0]

    def studies(self) -> Sequence[Study]:
        """Return all studies, newest first."""
        with self.database.read() as session:
            return study_records(session, true())

    def slugs(self, beginning: str) -> frozenset[str]:
        """Return the slugs that begin so."""
        with self.database.glance() as connection:
            found = select(StudyRow.slug).where(StudyRow.slug.startswith(text_data(beginning), autoescape=True))
            return frozenset(connection.scalars(found))

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
        """Return at most `limit` studies that fit, newest first, from below the id `after` on."""
        fitting = page_condition(after=after, state=state, owners=owners, search=search, tag=tag)
        with self.database.read() as session:
            return study_records(session, fitting, limit=limit)

    def revision(self, name: str) -> Revision:
        """Return a study's latest revision, in one look-up by slug or id. Raises `StudyNotFoundError`."""
        with self.database.glance() as connection:
            found = latest_revision(connection, name)
            if found is None:
                raise no_such_study(name, connection.scalars(select(StudyRow.slug)))
            return found

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
        now = self._clock()
        with self.database.write() as session:
            is_result = context is not None or baseline is not None
            row = writes.changed_study(session, study_id, now, claim=self._claim, is_result=is_result)
            changes_state = state is not None and writes.set_state(row, state, self._owner)
            if error is not None:
                row.error = text_data(error)
            if context is not None:
                row.context = row.context | json_data(context, field="context")
            writes.add_seconds(session, study_id, add_seconds or {})
            if baseline is not None:
                writes.replace_baseline(session, study_id, baseline)
            if changes_state:
                append_state(session, row, now=now)
            session.flush()
            return study_by_id(session, study_id)

    def label_study(self, study_id: int, *, tags: Sequence[str] | None = None, note: str | None = None) -> Study:
        """Replace what is given of a study's tags and note. Raises `LabelError` for those that cannot be kept."""
        with self.database.write() as session:
            row = writes.changed_study(session, study_id, self._clock(), claim=self._claim, is_result=False)
            if tags is not None:
                writes.replace_tags(session, study_id, checked_tags(tags))
            if note is not None:
                row.note = checked_note(note)
            session.flush()
            return study_by_id(session, study_id)

    def widen_study(self, study_id: int, spec: Mapping[str, Any], reopened: Sequence[int]) -> Study:
        """Replace the spec of a study and put these STOPPED candidates back to RUNNING."""
        with self.database.write() as session:
            row = writes.changed_study(session, study_id, self._clock(), claim=self._claim)
            row.spec = json_data(spec, field="spec")
            stopped = select(CandidateRow).where(
                CandidateRow.study_id == study_id, CandidateRow.state == CandidateState.STOPPED
            )
            found = {candidate.id: candidate for candidate in session.scalars(stopped)}
            if set(reopened) - set(found):
                raise not_of_this_study(set(reopened) - set(found))
            for candidate_id in reopened:
                writes.reopen(session, found[candidate_id])
                found[candidate_id].revision = row.revision
            session.flush()
            return study_by_id(session, study_id)

    def delete_study(self, study_id: int) -> None:
        """Delete a study with all that belongs to it; its use of verification examples stays counted.

        Raises `StudyBusyError` while another live process runs it.
        """
        with self.database.write() as session:
            with suppress(StudyTornError):  # no process can run it
                writes.refuse_busy(writes.locked_study(session, study_id), self._owner, now=self._clock())
            session.execute(delete(StudyRow).where(StudyRow.id == study_id))

    def start_candidate(self, study_id: int, proposal: Proposal) -> Candidate:
        """Return a RUNNING candidate for a proposal: a new one, or the one in flight of the same config.

        Raises `StoreError` where the candidate of this config is finished.
        """
        now = self._clock()
        return candidates.start(self.database, study_id, proposal, now=now, claim=self._claim)

    def finish_candidate(self, candidate_id: int, outcome: Outcome) -> Candidate:
        """Record an outcome, once. Raises `StoreError` if the candidate is not RUNNING."""
        now = self._clock()
        return candidates.finish(self.database, candidate_id, outcome, now=now, claim=self._claim)

    def add_measurements(self, candidate_id: int, measurements: Sequence[Measurement]) -> None:
        """Add what was measured after the evaluation, replacing equal quantities measured under equal conditions.

        The outcome keeps its own measurements; `Candidate.measurements` shows the later of two equals.
        """
        with self.database.write() as session:
            row = writes.changed_candidate(session, candidate_id, self._clock(), claim=self._claim)
            writes.merge_later_measurements(session, row, measurements)

    def shortlist(self, study_id: int, candidate_ids: Sequence[int]) -> None:
        """Fix the shortlist: exactly these candidates are marked. Raises `CandidateNotFoundError`."""
        with self.database.write() as session:
            study = writes.changed_study(session, study_id, self._clock(), claim=self._claim)
            of_study = CandidateRow.study_id == study_id
            strange = set(candidate_ids) - set(session.scalars(select(CandidateRow.id).where(of_study)))
            if strange:
                raise not_of_this_study(strange)
            marks = {"shortlisted": CandidateRow.id.in_(candidate_ids), "revision": study.revision}
            session.execute(update(CandidateRow).where(of_study).values(**marks))

    def verify_candidate(self, candidate_id: int, verification: Verification) -> None:
        """Record a candidate's verification, once, and count the study among the users of those examples."""
        now = self._clock()
        with self.database.write() as session:
            row = writes.changed_candidate(session, candidate_id, now, claim=self._claim)
            is_first = session.get(VerificationRow, candidate_id) is None
            checked_verification(verification, number=row.number, is_first=is_first)
            session.add(VerificationRow(candidate_id=candidate_id, **verification_values(verification)))
            writes.count_use(session, session.get_one(StudyRow, row.study_id), verification.examples, now)

    def candidates(self, study_id: int) -> Sequence[Candidate]:
        """Return all candidates of a study in number order. Raises `StudyNotFoundError`."""
        with self.database.read(much=True) as session:
            if session.get(StudyRow, study_id) is None:
                raise no_such_study(study_id, slugs(session))
            return candidates_of(session, study_id)

    def put_guest(self, study_id: int, guest: Guest) -> None:
        """Keep a model from elsewhere in place of one with the same files, or of what lay in its place before."""
        now = self._clock()
        with self.database.write() as session:
            row = writes.changed_study(session, study_id, now, claim=self._claim)
            guests.put(session, study_id, guest, now)
            writes.count_use(session, row, guest.verification.examples, now)

    def verification_uses(self, examples: str) -> int:
        """Return how many studies, deleted ones included, have verified on the examples of this hash."""
        count = select(func.count()).where(VerificationUseRow.examples == examples)
        with self.database.read() as session:
            return session.scalar(count) or 0

    def add_purchase(
        self, study_id: int, number: int, *, plan: Mapping[str, Any], keys: bytes, texts: Sequence[Disputed]
    ) -> None:
        """Keep a purchase of labels, the study's `number`-th from 1. Raises `PurchaseError` where there is one."""
        now = self._clock()
        with self.database.write() as session:
            writes.changed_study(session, study_id, now, claim=self._claim, is_result=False)
            purchases.add_purchase(session, study_id, plan, keys, texts, number=number, now=now)

    def purchases(self, study_id: int) -> Sequence[Purchase]:
        """Return the purchases of a study in their order."""
        with self.database.read() as session:
            return purchases.purchases(session, study_id)

    def ask_labels(self, study_id: int, number: int, places: Collection[int], *, batch: int) -> None:
        """Note that these texts' labels are asked as a purchase's next batch, unless that was asked meanwhile."""
        with self.database.write() as session:
            writes.changed_study(session, study_id, self._clock(), claim=self._claim, is_result=False)
            purchases.ask(session, study_id, number, places, batch)

    def give_labels(self, study_id: int, number: int, answers: Mapping[int, Answer]) -> None:
        """Keep labels of a purchase by place. Raises `PurchaseError` for one that was given otherwise before."""
        with self.database.write() as session:
            writes.changed_study(session, study_id, self._clock(), claim=self._claim, is_result=False)
            purchases.answer(session, study_id, number, answers)

    def close(self) -> None:
        """Release connections; the store is not used afterwards."""
        self.database.close()
