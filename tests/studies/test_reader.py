"""The reader answers as the store does after every kind of write, and reads again only what was written."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from objectives.measurement import Interval, Measurement, Source
from search_spaces.config import Config
from studies.opening import open_service
from studies.records import CandidateState, Origin, Outcome, Proposal, Verification
from studies.sql.reader import CandidateReader
from studies.sql.service import SqlService


@pytest.fixture
def service(sqlite_url: str) -> SqlService:
    made = open_service(sqlite_url)
    yield made
    made.close()


def measured(quantity: str, value: float) -> Measurement:
    return Measurement(quantity=quantity, value=value, unit="1", source=Source.MEASURED)


def outcome(drop: float, state: CandidateState = CandidateState.COMPLETE) -> Outcome:
    return Outcome(state=state, drop=drop, seen=3, measurements=(measured("flops", 2.0),))


def test_after_every_kind_of_write_the_reader_says_what_the_store_says(service: SqlService) -> None:
    store, reader = service.store, service.reader(most=100)
    study = store.create_study("s", {"epsilon": 0.1})

    def agree() -> None:
        assert list(reader.candidates(study.id)) == list(store.candidates(study.id))

    agree()
    made = []
    for width in range(4):
        made.append(store.start_candidate(study.id, Proposal(config=Config.of({"a": width}), origin=Origin.LADDER)))
        agree()
        state = CandidateState.STOPPED if width == 3 else CandidateState.COMPLETE
        store.finish_candidate(made[-1].id, outcome(0.01 * width, state))
        agree()
    store.add_measurements(made[0].id, [measured("latency", 1.0)])
    agree()
    store.shortlist(study.id, [made[0].id, made[1].id])
    agree()
    interval = Interval(lower=-0.1, upper=0.1, level=0.95)
    store.verify_candidate(made[1].id, Verification(examples="e", n=3, metric=0.9, drop=0.0, interval=interval))
    agree()
    store.shortlist(study.id, [])
    agree()
    store.widen_study(study.id, {"epsilon": 0.2}, [made[3].id])
    agree()
    store.finish_candidate(made[3].id, outcome(0.15))
    agree()
    store.delete_study(study.id)
    assert list(reader.candidates(study.id)) == []


def test_what_was_not_written_is_not_read_again(service: SqlService) -> None:
    store, reader = service.store, service.reader(most=100)
    study = store.create_study("s", {"epsilon": 0.1})
    for width in range(5):
        made = store.start_candidate(study.id, Proposal(config=Config.of({"a": width}), origin=Origin.LADDER))
        store.finish_candidate(made.id, outcome(0.0))
    first = reader.candidates(study.id)
    store.add_measurements(first[2].id, [measured("latency", 1.0)])
    again = reader.candidates(study.id)
    assert [a is b for a, b in zip(first, again, strict=True)] == [True, True, False, True, True]


def test_the_studies_asked_for_least_recently_are_given_up_first(service: SqlService) -> None:
    store = service.store
    studies = [store.create_study(name, {"epsilon": 0.1}) for name in ("a", "b", "c")]
    for study in studies:
        for width in range(2):
            store.start_candidate(study.id, Proposal(config=Config.of({"a": width}), origin=Origin.LADDER))
    reader = CandidateReader(service.database, most=4)
    read = {study.id: reader.candidates(study.id) for study in studies}
    statements: list[str] = []
    event.listen(service.database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    assert reader.candidates(studies[2].id)[0] is read[studies[2].id][0]
    assert reader.candidates(studies[0].id)[0] is not read[studies[0].id][0]
    assert statements
