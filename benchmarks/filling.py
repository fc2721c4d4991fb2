"""Studies of many candidates, for a database to be asked about: like real ones in shape, drawn at random."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, func, insert, literal, select, text
from sqlalchemy.orm import Session

from objectives.measurement import Interval, Measurement, Source
from optimizer.spec import StudySpec
from search_spaces.config import Config, Form
from studies.records import CandidateState, Origin, Outcome, Proposal, Study, StudyState, Verification
from studies.sql.database import Database
from studies.sql.service import SqlService
from studies.sql.tables import Base, CandidateRow, MeasurementRow, StudyRow, VerificationRow

LAYERS, HEADS, NEURONS = 12, 12, 3072
DENSE_FLOPS, DENSE_BYTES, DENSE_PARAMETERS = 1e10, 4.4e8, 1.1e8
EXAMPLES, SHORTLIST = 872, 10
EPSILON = 0.01


def fill(service: SqlService, slug: str, candidates: int) -> Study:
    """Store a complete, verified study of a BERT-base shape with so many candidates."""
    rng = np.random.default_rng(0)
    store = service.store
    spec = StudySpec.model_validate({"model": "bert-base", "task": "sst2", "epsilon": EPSILON, "trials": candidates})
    study = store.create_study(slug, spec.model_dump(mode="json"))
    store.update_study(study.id, baseline=list(_costs(1.0, accuracy=0.92)), context={"metric": "accuracy"})
    made = []
    for proposal, outcome in _evaluated(rng, candidates):
        candidate = store.start_candidate(study.id, proposal)
        made.append(store.finish_candidate(candidate.id, outcome))
    chosen = sorted(
        (c for c in made if c.outcome is not None and (c.outcome.drop or 0.0) < EPSILON / 2), key=lambda c: c.id
    )
    chosen = chosen[:SHORTLIST]
    store.shortlist(study.id, [c.id for c in chosen])
    for number, candidate in enumerate(chosen):
        store.verify_candidate(candidate.id, _verification(0.001 * number))
        store.add_measurements(candidate.id, list(_final_costs(0.9 - 0.05 * number)))
    return store.update_study(study.id, state=StudyState.COMPLETE)


def multiply(database: Database, study: Study, times: int) -> None:
    """Store so many copies of the only study."""
    with database.write() as session:
        candidates, measurements = (
            session.scalar(select(func.max(row.id))) or 0 for row in (CandidateRow, MeasurementRow)
        )
        for n in range(1, times + 1):
            new = literal(study.id + n)
            of_study, moved = {"study_id": new}, {"candidate_id": VerificationRow.candidate_id + candidates * n}
            name = literal(f"{study.slug}-{n}")
            _copy(session, StudyRow, {"id": new, "slug": name, "uid": name}, StudyRow.id == study.id)
            _copy(
                session,
                CandidateRow,
                of_study | {"id": CandidateRow.id + candidates * n},
                CandidateRow.study_id == study.id,
            )
            _copy(
                session,
                MeasurementRow,
                of_study
                | {"id": MeasurementRow.id + measurements * n}
                | {"candidate_id": MeasurementRow.candidate_id + candidates * n},
                MeasurementRow.study_id == study.id,
            )
            _copy(session, VerificationRow, moved, VerificationRow.candidate_id <= candidates)
    with database.write() as session:
        session.execute(text("ANALYZE"))


def _copy(
    session: Session, row: type[Base], changed: Mapping[str, ColumnElement[Any]], chosen: ColumnElement[bool]
) -> None:
    columns = list(row.__table__.columns)
    copied = select(*(changed.get(column.name, column) for column in columns)).where(chosen)
    session.execute(insert(row).from_select([column.name for column in columns], copied))


def _evaluated(rng: np.random.Generator, candidates: int) -> Iterator[tuple[Proposal, Outcome]]:
    for _ in range(candidates):
        kept = rng.uniform(0.1, 1.0, size=2 * LAYERS)
        config = {
            f"layer.{i}.{kind}": round(float(kept[2 * i + j]) * most)
            for i in range(LAYERS)
            for j, (kind, most) in enumerate((("heads", HEADS), ("neurons", NEURONS)))
        }
        share = float(kept.mean())
        drop = float(0.05 * (1 - share) + rng.normal(0, 0.01))
        measured = [*_costs(share, accuracy=0.92 - drop), _of("divergence", 0.1 * (1 - share), "nat")]
        measured.append(
            Measurement(
                quantity="drop",
                value=drop,
                unit="1",
                source=Source.MEASURED,
                n=EXAMPLES,
                interval=Interval(lower=drop - 0.01, upper=drop + 0.01, level=0.95),
            )
        )
        yield (
            Proposal(config=Config.of(config, Form.RECONSTRUCTED), origin=Origin.SAMPLER),
            Outcome(state=CandidateState.COMPLETE, drop=drop, seen=EXAMPLES, measurements=tuple(measured), seconds=1.0),
        )


def _of(quantity: str, value: float, unit: str, interval: Interval | None = None, **conditions: int) -> Measurement:
    source = Source.COUNTED if interval is None else Source.MEASURED
    return Measurement(
        quantity=quantity, value=value, unit=unit, source=source, n=EXAMPLES, interval=interval, conditions=conditions
    )


def _costs(share: float, *, accuracy: float) -> Iterator[Measurement]:
    yield _of("accuracy", accuracy, "1")
    yield _of("flops", DENSE_FLOPS * share, "flop")
    yield _of("parameters", DENSE_PARAMETERS * share, "1")
    yield _of("size", DENSE_BYTES * share, "B")


def _final_costs(share: float) -> Iterator[Measurement]:
    around = Interval(lower=share * 0.98, upper=share * 1.02, level=0.95)
    for batch in (1, 32):
        yield _of("latency", 0.05 * batch * share, "s", around, batch=batch)
        yield _of("latency_ratio", share, "1", around, batch=batch)
    yield _of("energy", 2.0 * share, "J", around)
    yield _of("energy_ratio", share, "1", around)
    yield _of("memory", 1e9 * share, "B")


def _verification(drop: float) -> Verification:
    interval = Interval(lower=drop - 0.008, upper=drop + 0.008, level=0.95)
    return Verification(
        examples="drawn",
        n=1821,
        metric=0.92 - drop,
        drop=drop,
        interval=interval,
        lost=40,
        gained=38,
        shortlist_size=SHORTLIST,
    )
