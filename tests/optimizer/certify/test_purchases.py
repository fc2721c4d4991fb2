"""A purchase from its plan to its verdicts, over models whose answers are arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from stored_studies import N, put_study

from objectives.measurement import Interval
from optimizer.certify.ask import rows_of
from optimizer.certify.begin import disputed
from optimizer.certify.choice import refuse_unbuyable, rule_of, sequence_of
from optimizer.certify.files import read_labels, take_back, write_next
from optimizer.certify.sequence import Plan, follow
from optimizer.certify.standing import give_labels, settle, standing_of, wanted_rows
from optimizer.errors import InputError
from optimizer.fronts.bought import Double, Standing, bought_of
from optimizer.spec import StudySpec
from studies.opening import open_store
from studies.purchases import SKIPPED, Answer
from studies.records import Study, Verification
from studies.sql.store import SqlStore
from studies.store import PurchaseError, StudyStore

TEXTS, CLASSES = 3000, ("bad", "good", "so so")
TRUTH = np.random.default_rng(0).integers(0, 3, TEXTS)


def wrong_on(*places: int) -> np.ndarray:
    """Return answers that are right but for the next class in these places."""
    answers = TRUTH.copy()
    answers[list(places)] = (answers[list(places)] + 1) % 3
    return answers


DENSE = wrong_on(*range(0, TEXTS, 40))
EQUAL = wrong_on(*range(0, TEXTS, 40), *range(5, 200, 5)[:10])  # loses ten texts
ALIKE = wrong_on(*range(2, TEXTS, 40))  # loses as many as it gains
WORSE = wrong_on(*range(0, TEXTS, 40), *range(1, TEXTS, 20))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StudyStore]:
    with closing(open_store(f"sqlite:///{tmp_path}/studies.sqlite")) as opened:
        yield opened


@pytest.fixture
def study(store: StudyStore) -> Study:
    return put_study(store, "first", candidates=[(0.0, 0.5), (0.0, 0.4), (0.0, 0.3)], epsilon=0.02)


def buy(
    store: StudyStore,
    study: Study,
    answers: dict[int, np.ndarray],
    *,
    dense: np.ndarray = DENSE,
    double: Double | None = None,
) -> None:
    plan = Plan(
        epsilon=0.02,
        alpha=0.01,
        members=tuple(answers),
        texts=TEXTS,
        classes=CLASSES,
        columns=("sentence",),
        file="f",
        rule=rule_of(store.purchases(study.id), double),
    )
    texts = disputed(np.stack([dense, *answers.values()]), [(f"text, {i}",) for i in range(TEXTS)], plan)
    number = len(store.purchases(study.id)) + 1
    store.add_purchase(study.id, number, plan=asdict(plan), keys=b"", texts=texts)


def label_all(store: StudyStore, study: Study, *, batch: int = 10_000, most: int = 99) -> Standing:
    for _ in range(most):
        answers: dict[int, dict[int, Answer]] = {}
        for row in wanted_rows(store, study, batch=batch):
            given = answers.setdefault(int(row.id.partition("-")[0]), {})
            which = "again" if row.is_second else "label"
            label = int(TRUTH[row.text.place])
            given[row.text.place] = given.get(row.text.place, Answer())._replace(**{which: label})
        if not answers or give_labels(store, study, answers).is_over:
            break
    return standing_of(store, study)


def test_members_are_certified_in_their_sequence_and_the_verdict_is_kept_with_the_study(
    store: StudyStore, study: Study
) -> None:
    buy(store, study, {0: ALIKE, 2: EQUAL})
    before = standing_of(store, study)
    assert (before.waiting, before.members[0].certified, before.members[0].labels) == (0, False, 0)
    assert before.members[0].upper > 0.05  # all 150 disagreements may be lost
    found = label_all(store, study, batch=40)
    first, second = found.members
    assert (found.waiting, first.certified, second.certified) == (None, True, True)
    assert first.upper <= 0.02 < first.upper + 0.02
    assert first.labels < first.disagreements == 150  # it stopped as soon as both were certified
    assert (first.texts, first.differing) == (TEXTS, 0)
    assert bought_of(store.study("first")) == {0: first, 2: second}
    assert first.is_certified_at(0.03) and not first.is_certified_at(0.01)


def test_a_member_that_is_not_certified_blocks_those_behind_it_and_ends_the_asking(
    store: StudyStore, study: Study
) -> None:
    buy(store, study, {1: WORSE, 0: EQUAL})
    found = label_all(store, study)
    worse, equal = found.members
    assert (worse.certified, worse.blocked_by, equal.certified, equal.blocked_by) == (False, None, False, 1)
    assert (found.waiting, found.is_over, found.more) == (1, True, None)
    assert wanted_rows(store, study) == []


def test_a_later_purchase_continues_the_sequence(store: StudyStore, study: Study) -> None:
    buy(store, study, {1: WORSE, 0: EQUAL})
    label_all(store, study)
    buy(store, study, {1: TRUTH, 2: TRUTH}, dense=TRUTH)  # neither disagrees on these texts
    found = label_all(store, study)
    assert [each.candidate for each in found.members] == [1, 0, 2]
    assert [each.texts for each in found.members] == [2 * TEXTS, TEXTS, TEXTS]
    assert [each.certified for each in found.members] == [False] * 3  # what was lost before still counts
    assert [each.blocked_by for each in found.members] == [None, 1, 1]


def test_skipped_and_missing_labels_count_as_lost(store: StudyStore, study: Study) -> None:
    buy(store, study, {0: ALIKE})
    rows = wanted_rows(store, study, batch=10_000)
    gained = [row for row in rows if row.text.dense != TRUTH[row.text.place]]
    store.give_labels(study.id, 1, {row.text.place: Answer(SKIPPED) for row in gained if not row.is_second})
    lost = {row.text.place: Answer(int(TRUTH[row.text.place])) for row in rows if row not in gained}
    assert not give_labels(store, study, {1: lost}).members[0].certified
    with pytest.raises(PurchaseError, match="a label is given once"):
        store.give_labels(study.id, 1, {gained[0].text.place: Answer(0)})


def test_some_texts_are_asked_twice_and_their_difference_is_counted(store: StudyStore, study: Study) -> None:
    buy(store, study, {0: ALIKE})
    rows = wanted_rows(store, study, batch=10_000)
    second = [row for row in rows if row.is_second]
    assert 0.15 < len(second) / (len(rows) - len(second)) < 0.45
    assert len({row.id for row in rows}) == len(rows)
    labels = {row.text.place: Answer(int(TRUTH[row.text.place])) for row in rows}
    twice = {row.text.place: Answer(again=int(TRUTH[row.text.place] + (i < 3)) % 3) for i, row in enumerate(second)}
    store.give_labels(study.id, 1, labels)
    found = give_labels(store, study, {1: twice}).members[0]
    assert (found.checks, found.differing) == (len(second), 3)


def test_a_file_is_filled_in_in_parts_and_refused_where_it_was_changed(
    store: StudyStore, study: Study, tmp_path: Path
) -> None:
    buy(store, study, {0: ALIKE})
    path = write_next(store, study, tmp_path / "labels.csv", batch=20)
    assert path is not None
    with pytest.raises(InputError, match=r"to: .*labels.csv exists and may hold labels; give another file"):
        write_next(store, study, path)
    assert "text, 0" in path.read_text()
    empty = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert list(empty) == ["id", "sentence", "label"]
    (purchase,) = store.purchases(study.id)
    truth = [CLASSES[TRUTH[row.text.place]] for row in rows_of(purchase)]
    assert len(empty) == len(truth)

    def given(name: str, frame: pd.DataFrame) -> Path:
        frame.to_csv(tmp_path / name, index=False)
        return tmp_path / name

    for change, said in (
        ({}, "no label is given; fill some in"),
        ({(3, "label"): "fine"}, r"row 4|line 5.*'fine' is no label; write bad, good, so so or \? where you"),
        ({(3, "sentence"): "text, x", (3, "label"): "good"}, "the text was changed; restore 'text, "),
        ({(3, "id"): "9-9-9"}, "'9-9-9' was never asked; keep each row"),
        ({(3, "id"): "1-1-3"}, "'1-1-3' occurs twice"),
    ):
        changed = empty.copy()
        for (row, column), value in change.items():
            changed.loc[row, column] = value
        with pytest.raises(InputError, match=said):
            take_back(store, study, given("changed.csv", changed))
    with pytest.raises(InputError, match="no column 'label'"):
        take_back(store, study, given("columns.csv", empty[["id", "sentence"]]))
    with pytest.raises(InputError, match=r"is not a file of .*; save it as csv"):
        take_back(store, study, tmp_path / "labels.xlsx")
    assert all(text.answer == Answer() for text in store.purchases(study.id)[0].texts)

    part = empty.assign(label=[label.upper() if i < 5 else "" for i, label in enumerate(truth)])
    assert take_back(store, study, given("part.csv", part)).members[0].labels == 5
    rest = write_next(store, study, tmp_path / "rest.csv", batch=20)
    assert list(pd.read_csv(rest).id) == list(empty.id[5:])  # the same batch, without what was given
    take_back(store, study, given("whole.csv", empty.assign(label=["?", *truth[1:]]).drop(0)))
    assert read_labels(tmp_path / "whole.csv", store.purchases(study.id))
    assert write_next(store, study, tmp_path / "next.csv", batch=20).exists()


def test_labels_that_another_process_gives_meanwhile_or_left_behind_when_killed_are_counted_once(
    store: StudyStore, study: Study, tmp_path: Path
) -> None:
    buy(store, study, {0: ALIKE})
    rows = [row for row in wanted_rows(store, study, batch=20) if not row.is_second]
    mine, others, left = (
        {1: {row.text.place: Answer(int(TRUTH[row.text.place])) for row in part}}
        for part in (rows[:5], rows[5:10], rows[10:15])
    )

    class Meanwhile(SqlStore):
        def update_study(self, *args: Any, **changes: Any) -> Study:
            with closing(open_store(f"sqlite:///{tmp_path}/studies.sqlite")) as other:
                give_labels(other, study, others)  # after the other has read, before it writes
            return super().update_study(*args, **changes)

    with closing(Meanwhile(store.database)) as slow:
        assert give_labels(slow, study, mine).members[0].labels == 10
    assert bought_of(store.study("first"))[0].labels == 10
    store.give_labels(study.id, 1, left[1])  # and killed before it could settle
    give_labels(store, study, mine)  # sent twice
    assert settle(store, study) == standing_of(store, study)
    assert bought_of(store.study("first"))[0].labels == 15


def test_where_all_texts_are_asked_twice_what_both_labels_say_counts_and_a_difference_is_two_losses(
    store: StudyStore, study: Study
) -> None:
    buy(store, study, {0: ALIKE}, double="all")
    before = standing_of(store, study)
    rows = wanted_rows(store, study, batch=10_000)
    firsts, seconds = ([row for row in rows if row.is_second is second] for second in (False, True))
    assert len(firsts) == len(seconds) == 150
    right = {row.text.place: int(TRUTH[row.text.place]) for row in firsts}
    doubtful = [place for place in right if DENSE[place] == right[place]][:30]  # of lost texts alone
    first = right | {place: int(ALIKE[place]) for place in doubtful}
    one = give_labels(store, study, {1: {place: Answer(label) for place, label in first.items()}}).members[0]
    assert one.upper == before.members[0].upper  # one label alone says nothing
    both = give_labels(store, study, {1: {place: Answer(again=label) for place, label in right.items()}})
    assert (both.members[0].checks, both.members[0].differing) == (150, 30)
    assert both.members[0].upper > (75 - 75 + 30) / TEXTS
    assert not both.members[0].certified
    with pytest.raises(InputError, match="double: of this study's labels all are asked twice"):
        rule_of(store.purchases(study.id), "tenth")
    sound = put_study(store, "sound", candidates=[(0.0, 0.5)], epsilon=0.02)
    buy(store, sound, {0: ALIKE}, double="all")
    assert label_all(store, sound).members[0].certified


def test_a_member_that_a_leaner_one_beats_is_tried_only_if_it_is_named(store: StudyStore) -> None:
    study = put_study(store, "s", candidates=[(0.0, share) for share in (0.8, 0.6, 0.4, 0.2)], epsilon=0.02)
    found = store.candidates(study.id)
    store.shortlist(study.id, [c.id for c in found])
    for candidate, lost in zip(found, (0, 2, 1, 3), strict=True):
        drop = lost / N
        around = Interval(lower=drop - 0.03, upper=drop + 0.03)
        store.verify_candidate(
            candidate.id, Verification(examples="hash", n=N, metric=0.9 - drop, drop=drop, interval=around)
        )
    candidates = store.candidates(study.id)
    assert sequence_of(study, candidates, [], []) == (0, 2, 3)
    assert sequence_of(study, candidates, [], [3, 1]) == (1, 3)


def test_a_study_and_members_that_labels_cannot_certify_are_refused(store: StudyStore, study: Study) -> None:
    f1 = put_study(store, "f1", candidates=[(0.0, 0.5)], metric="f1")
    said = "judged by f1; labels where two models disagree, one class each, certify accuracy alone; label a random"
    with pytest.raises(InputError, match=said):
        refuse_unbuyable(f1, StudySpec.stored(f1.spec))
    old = {name: value for name, value in study.spec.items() if name != "label_error"}
    with pytest.raises(InputError, match=r"has spent its 5 % error on verification .* start a new study"):
        refuse_unbuyable(study, StudySpec.stored(old))
    refuse_unbuyable(study, StudySpec.stored(study.spec))
    for chosen, why in ([9], "9 does not exist"), ([1], "1 is unverified"):
        with pytest.raises(
            InputError, match=f"candidate: {why}; labels are bought for verified members, of 'first': none"
        ):
            sequence_of(study, store.candidates(study.id), [], chosen)
    with pytest.raises(InputError, match="has no verified member that is leaner"):
        sequence_of(study, store.candidates(study.id), [], [])
    with pytest.raises(InputError, match="no labels are bought for 'first' yet"):
        standing_of(store, study)
    assert follow([]) == []
