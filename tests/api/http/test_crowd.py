"""Many at once on one SQLite file: nobody is told that the database is locked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from search_spaces.config import Config
from studies.opening import open_service
from studies.records import CandidateState, Origin, Outcome, Proposal

WRITERS, READERS, EACH = 20, 50, 6


def test_twenty_writers_and_fifty_readers_all_get_their_answer(tmp_path: Path) -> None:
    service = open_service(f"sqlite:///{tmp_path}/s.sqlite")
    studies = [service.store.create_study(f"s{i}", {"epsilon": 0.1}).id for i in range(WRITERS)]

    def write(study_id: int) -> int:
        for width in range(EACH):
            proposal = Proposal(config=Config.of({"layer.0.neurons": width}), origin=Origin.SAMPLER)
            candidate = service.store.start_candidate(study_id, proposal)
            service.store.finish_candidate(candidate.id, Outcome(state=CandidateState.COMPLETE, drop=0.0, seen=1))
        return EACH

    def read(number: int) -> int:
        seen = 0
        for _ in range(EACH):
            study = service.store.study(str(studies[number % WRITERS]))
            now = len(service.store.candidates(study.id))
            assert now >= seen
            seen = now
            service.store.revision(study.slug)
        return EACH

    with ThreadPoolExecutor(WRITERS + READERS) as crowd:
        writes = [crowd.submit(write, study_id) for study_id in studies]
        reads = [crowd.submit(read, number) for number in range(READERS)]
        assert {future.result() for future in [*writes, *reads]} == {EACH}
    assert {len(service.store.candidates(study_id)) for study_id in studies} == {EACH}
    service.close()
