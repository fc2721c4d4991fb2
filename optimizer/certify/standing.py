"""Standing: a purchase as it is now, and what a person does with it: give labels, ask for more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optimizer.certify.ask import Row, ask_next, open_rows
from optimizer.certify.forecast import labels_needed
from optimizer.certify.sequence import Plan, disputed_by, follow
from optimizer.errors import InputError
from optimizer.fronts.bought import BATCH, Standing, in_context
from studies.purchases import Answer, Purchase
from studies.records import Candidate, Study
from studies.store import StudyStore


def standing_of(store: StudyStore, study: Study) -> Standing:
    """Return the standing of a study. Raises `InputError` where nothing was bought."""
    return _standing(bought_by(store, study), study, store.candidates(study.id))


def _standing(purchases: Sequence[Purchase], study: Study, candidates: Sequence[Candidate]) -> Standing:
    members = follow(purchases)
    waiting = next((each.candidate for each in members if not each.certified), None)
    verifications = {c.number: c.verification for c in candidates}
    plan = Plan.of(purchases[-1])
    return Standing(
        study=study.slug,
        classes=plan.classes,
        columns=plan.columns,
        members=tuple(members),
        waiting=waiting,
        more=None if waiting is None else labels_needed(purchases, waiting, verifications[waiting]),
        open_rows=len(open_rows(purchases)),
        what=plan.what,
        double=plan.double,
        unasked=0 if waiting is None else sum(text.batch is None for text in disputed_by(waiting, purchases)),
    )


def bought_by(store: StudyStore, study: Study) -> Sequence[Purchase]:
    """Return the purchases of a study. Raises `InputError` where there is none."""
    purchases = store.purchases(study.id)
    if not purchases:
        raise InputError("texts", f"no labels are bought for {study.slug!r} yet; give a file of unlabelled texts")
    return purchases


def wanted_rows(store: StudyStore, study: Study, *, batch: int = BATCH) -> list[Row]:
    """Return the rows to label now: those that were asked before, else the next batch, which is stored as asked."""
    if batch < 1:
        raise InputError("batch", f"must be at least 1, got {batch}")
    purchases = bought_by(store, study)
    if not open_rows(purchases):
        ask_next(store, purchases, batch)
    return open_rows(store.purchases(study.id))


def give_labels(store: StudyStore, study: Study, labels: Mapping[int, Mapping[int, Answer]]) -> Standing:
    """Keep labels, purchase -> place -> answer, and settle what all labels together say of the members."""
    for number, answers in labels.items():
        store.give_labels(study.id, number, answers)
    return settle(store, study)


def settle(store: StudyStore, study: Study) -> Standing:
    """Store what all labels together say of the members, and return it.

    Labels that others give meanwhile are in it, and those of a process that was killed before it settled them.
    """
    candidates, purchases, told = store.candidates(study.id), bought_by(store, study), None
    while purchases != told:  # what is stored last has to know what others have given meanwhile
        told = purchases
        found = _standing(told, study, candidates)
        store.update_study(study.id, context=in_context(found.members))
        purchases = bought_by(store, study)
    return found
