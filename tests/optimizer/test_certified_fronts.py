"""Fronts keep what is certified: an observed drop that is smaller by luck takes no certificate's place."""

from __future__ import annotations

from pathlib import Path

import pytest
from stored_studies import put_study

from objectives.measurement import Interval
from optimizer.fronts.fronts import front_of
from optimizer.fronts.headline import headline
from optimizer.selection.certification import CertificationList
from studies.opening import open_store
from studies.records import Verification

N = 2000
PASSES, FAILS, LUCKY = (10, 20), (40, 15), (10, 22)  # answers lost and gained by a candidate


@pytest.mark.parametrize(
    ("counts", "members", "front", "certified"),
    [
        ((PASSES, FAILS, LUCKY), (0, 1, 2), [2, 0], "candidate #0"),  # 2 dominates both, but is blocked by 1
        ((PASSES, LUCKY, FAILS), (0, 1, 2), [2, 1], "candidate #1"),  # a certified one takes the place of 0
        ((FAILS, PASSES, LUCKY), (0, 1, 2), [2], None),
    ],
)
def test_a_certified_member_leaves_the_front_to_a_certified_one_alone(
    tmp_path: Path,
    counts: tuple[tuple[int, int], ...],
    members: tuple[int, ...],
    front: list[int],
    certified: str | None,
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    study = put_study(store, "s", epsilon=0.01, candidates=[(0.0, 0.8), (0.0, 0.6), (0.0, 0.4)])
    found = store.candidates(study.id)
    store.shortlist(study.id, [c.id for c in found])
    for candidate, (lost, gained) in zip(found, counts, strict=True):
        drop = (lost - gained) / N
        around = Interval(lower=drop - 0.01, upper=drop + 0.01)
        checked = Verification(
            examples="hash", n=N, metric=0.9 - drop, drop=drop, interval=around, lost=lost, gained=gained
        )
        store.verify_candidate(candidate.id, checked)
    listed = CertificationList(epsilon=0.01, members=members)
    study = store.update_study(study.id, context=listed.in_context())
    result = front_of(study, store.candidates(study.id))
    store.close()
    assert [member.candidate for member in result.items] == front
    assert (f"Leanest certified: {certified}" in headline(result)) is (certified is not None)
