"""Starting and finishing a candidate, each in a single statement: PostgreSQL changes several tables in one.

Such a statement changes everything, or nothing where anything forbids the write: what does is found and said by the
transaction of `studies.sql.candidates`. All of its parts see what was there when it began; so of two that start
candidates of one study at the same moment the database refuses one, whose number is taken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    JSON,
    Double,
    Insert,
    Integer,
    Row,
    Select,
    Text,
    bindparam,
    cast,
    column,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import TypeEngine

from studies.events import CANDIDATE
from studies.records import Claim
from studies.sql.convert import MEASURED, Values
from studies.sql.database import Database
from studies.sql.events import told_of
from studies.sql.locks import lock
from studies.sql.parts import (
    CANDIDATES,
    COUNT,
    COUNT_RESULT,
    EVENTS,
    HAS_MORE,
    IS_IT,
    IS_RUNNING,
    IS_SAME,
    IS_STUDY,
    MEASUREMENTS,
    OUTCOME,
    STUDIES,
    STUDY_OF,
    new_row,
)
from studies.sql.schema import VERSION, current_version

_KINDS: dict[str, TypeEngine[Any]] = {
    **dict.fromkeys(("quantity", "unit", "source", "conditions", "samples"), Text()),
    **dict.fromkeys(("value", "lower", "upper", "level"), Double()),
    "n": Integer(),
}  # of what a measurement is given as
_IS_ALLOWED = (VERSION.scalar_subquery() == bindparam("version")) & or_(
    STUDIES.c.id != bindparam("claimed"), STUDIES.c.claims == bindparam("claim")
)  # a parameter that is called like a column of a table in a WITH clause would be written there


def start(database: Database, given: Mapping[str, object], claim: Claim | None) -> Row[Any] | None:
    """Add a candidate by the parameters of `new_row`; return its id and number, None where anything forbids it."""
    with database.at_once() as connection, suppress(IntegrityError):
        return connection.execute(_START, {**given, **_allowed(claim)}).one_or_none()
    return None


def finish(
    database: Database, given: Mapping[str, object], measured: Sequence[Values], claim: Claim | None
) -> Row[Any] | None:
    """Record an outcome, given by the columns `OUTCOME`, and its measurements.

    Return the row, None where anything forbids it, or where a reopened candidate has more than the outcome.
    """
    texts = [row | {name: json.dumps(row[name]) for name in ("conditions", "samples")} for row in measured]
    arrays = {f"all_{name}": [row[name] for row in texts] for name in _KINDS}
    told = json.dumps(told_of(given))
    changes = {f"new_{name}": given[name] for name in OUTCOME}
    it = {"candidate": given["candidate"], "now": given["finished_at"], "told": f", {told[1:]}"}
    with database.at_once() as connection:
        return connection.execute(_FINISH, {**it, **changes, **arrays, **_allowed(claim)}).one_or_none()


def _allowed(claim: Claim | None) -> dict[str, object]:
    claimed, number = claim or (0, 0)  # no study has the id 0
    return {"version": current_version(), "claimed": claimed, "claim": number}


def _started() -> Insert:
    counted = COUNT.where(IS_STUDY, _IS_ALLOWED, ~exists().where(IS_SAME)).returning(STUDIES.c.revision).cte("counted")
    row = new_row(counted.c.revision)
    new = insert(CANDIDATES).from_select([*row], select(*row.values()).select_from(counted))
    return new.returning(CANDIDATES.c.id, CANDIDATES.c.number)


def _finished() -> Select[Any]:
    is_study = STUDIES.c.id == STUDY_OF.where(IS_RUNNING, ~HAS_MORE).scalar_subquery()
    counted = COUNT_RESULT.where(is_study, _IS_ALLOWED).returning(STUDIES.c.id, STUDIES.c.revision).cte("counted")
    changes = {name: bindparam(f"new_{name}", type_=CANDIDATES.c[name].type) for name in OUTCOME}
    finished = (
        update(CANDIDATES)
        .where(IS_IT, IS_RUNNING, CANDIDATES.c.study_id == counted.c.id)
        .values(revision=counted.c.revision, **changes)
        .returning(*CANDIDATES.c)
        .cte("finished")
    )
    return select(finished).add_cte(_measured(finished), _reported(finished))


def _measured(finished: CTE) -> CTE:
    """Return what adds the measurements, given as an array for each column, in their order."""
    arrays = [bindparam(f"all_{name}", type_=ARRAY(kind)) for name, kind in _KINDS.items()]
    names = [column(name, kind) for name, kind in _KINDS.items()]
    each = func.unnest(*arrays).table_valued(*names, with_ordinality="place", name="each").render_derived()
    row = {
        "study_id": finished.c.study_id,
        "candidate_id": finished.c.id,
        "later": false(),
        **{name: cast(each.c[name], MEASUREMENTS.c[name].type) for name in MEASURED},
    }
    rows = select(*row.values()).select_from(finished.join(each, true())).order_by(each.c.place)
    return insert(MEASUREMENTS).from_select([*row], rows).cte("measured")


def _reported(finished: CTE) -> CTE:
    """Return what adds the event, once its lock is held, for which it waits once the candidate is finished."""
    held = lock("events", after=finished.c.number).alias("held")
    row = {
        "study_id": finished.c.study_id,
        "kind": literal(CANDIDATE),
        "data": cast(func.concat('{"number": ', finished.c.number, bindparam("told", type_=Text)), JSON),
        "created_at": bindparam("now", type_=EVENTS.c.created_at.type),
    }
    rows = select(*row.values()).select_from(finished.join(held, true()))
    return insert(EVENTS).from_select([*row], rows).cte("reported")


_START, _FINISH = _started(), _finished()
