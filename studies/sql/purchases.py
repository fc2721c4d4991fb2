"""Purchases of labels in SQL: what is asked of a study's texts, and what was answered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.orm import Session

from studies.purchases import Answer, Disputed, Purchase
from studies.rules import checked_answer, json_data, refuse_taken_purchase
from studies.sql.tables import DisputedRow, PurchaseRow


def add_purchase(
    session: Session, study_id: int, plan: Mapping[str, Any], keys: bytes, texts: Sequence[Disputed], *, number: int,
    now: datetime,
) -> None:  # fmt: skip
    """Add a purchase, the next of its study. Raises `PurchaseError` where another has that number."""
    known = session.scalars(select(PurchaseRow.number).where(PurchaseRow.study_id == study_id)).all()
    refuse_taken_purchase(number, len(known))
    plan = json_data(plan, field="plan")
    session.add(PurchaseRow(study_id=study_id, number=number, created_at=now, plan=plan, keys=keys))
    session.flush()
    rows = [{"study_id": study_id, "purchase": number, **_values(text)} for text in texts]
    if rows:
        session.execute(insert(DisputedRow), rows)


def purchases(session: Session, study_id: int) -> list[Purchase]:
    """Return the purchases of a study in their order."""
    of_study = select(DisputedRow).where(DisputedRow.study_id == study_id).order_by(DisputedRow.place)
    texts: dict[int, list[Disputed]] = {}
    for row in session.scalars(of_study):
        texts.setdefault(row.purchase, []).append(_disputed(row))
    rows = session.scalars(select(PurchaseRow).where(PurchaseRow.study_id == study_id).order_by(PurchaseRow.number))
    return [
        Purchase(
            study_id=study_id,
            number=row.number,
            created_at=row.created_at,
            plan=row.plan,
            keys=row.keys,
            texts=tuple(texts.get(row.number, ())),
        )
        for row in rows
    ]


def ask(session: Session, study_id: int, purchase: int, places: Collection[int], batch: int) -> None:
    """Note that the labels of these texts are asked, unless another process has asked a batch meanwhile."""
    asked = select(func.max(DisputedRow.batch)).where(*_of(study_id, purchase))
    if batch == 1 + (session.scalar(asked) or 0):
        rows = [{"study_id": study_id, "purchase": purchase, "place": place, "batch": batch} for place in places]
        session.execute(update(DisputedRow), rows)


def answer(session: Session, study_id: int, purchase: int, answers: Mapping[int, Answer]) -> None:
    """Keep labels by place. Raises `PurchaseError` for one that was given otherwise before."""
    for row in session.scalars(select(DisputedRow).where(*_of(study_id, purchase))):
        if row.place in answers:
            row.label, row.again = checked_answer(row.place, Answer(row.label, row.again), answers[row.place])


def _of(study_id: int, purchase: int) -> tuple[ColumnElement[bool], ...]:
    return (DisputedRow.study_id == study_id, DisputedRow.purchase == purchase)


def _values(text: Disputed) -> dict[str, Any]:
    return {
        "place": text.place,
        "content": list(text.content),
        "dense": text.dense,
        "answers": list(text.answers),
        "is_checked": text.is_checked,
        "batch": text.batch,
        **text.answer._asdict(),
    }


def _disputed(row: DisputedRow) -> Disputed:
    return Disputed(
        place=row.place,
        content=tuple(row.content),
        dense=row.dense,
        answers=tuple(row.answers),
        is_checked=row.is_checked,
        batch=row.batch,
        answer=Answer(row.label, row.again),
    )
