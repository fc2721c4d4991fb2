"""Standing: a purchase as it is now, and what a person does with it: give labels, ask for more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optimizer.certify.ask import Row, ask_next, open_rows
from optimizer.certify.bought import BATCH, Standing, in_context
from optimizer.certify.forecast import labels_needed
from optimizer.certify.sequence import Plan, follow
from optimizer.errors import InputError
from studies.purchases import Answer, Purchase
from studies.records import Study
from studies.store import StudyStore


def standing_of(store: StudyStore, study: Study) -> Standing:
    """Return the standing of a study. Raises `InputError` where nothing was bought."""
    purchases = bought_by(store, study)
    members = follow(purchases)
    waiting = next((each for each in members if not each.certified), None)
    number = waiting.candidate if waiting else None
    candidates = {c.number: c for c in store.candidates(study.id)}
    plan = Plan.of(purchases[-1])
    return Standing(
        study=study.slug,
        classes=plan.classes,
        columns=plan.columns,
        members=tuple(members),
        waiting=number,
        more=None if number is None else labels_needed(purchases, number, candidates[number].verification),
        open_rows=len(open_rows(purchases)),
        unasked=0 if number is None else _unasked(purchases, number),
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
    """Keep labels, purchase -> place -> answer, and store what all labels together say of the members."""
    for number, answers in labels.items():
        store.give_labels(study.id, number, answers)
    found = standing_of(store, study)
    store.update_study(study.id, context=in_context(found.members))
    return found


def _unasked(purchases: Sequence[Purchase], member: int) -> int:
    plans = [(purchase, Plan.of(purchase)) for purchase in purchases]
    return sum(t.batch is None and plan.disagreement(t, member) for purchase, plan in plans for t in purchase.texts)
