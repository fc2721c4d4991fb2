"""What every store keeps to. A test file supplies the `store` fixture and inherits the rest."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import store_examples as some
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objectives.measurement import Measurement, Source
from search_spaces.config import Config, Form
from studies.purchases import SKIPPED, Answer
from studies.records import CandidateState, Origin, Outcome, Proposal, Revision, StudyState, Verification
from studies.store import (
    CandidateNotFoundError,
    LabelError,
    PurchaseError,
    StoreError,
    StudyExistsError,
    StudyLostError,
    StudyNotFoundError,
    StudySlugError,
    StudyStore,
)

NOBODY = 987_654_321
round_trips = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,  # every example makes its own study in the one store
        HealthCheck.differing_executors,  # the same test on several stores is what a contract is
        HealthCheck.too_slow,
    ],
)


class StudyContract:
    """Studies: created, found, changed, deleted."""

    def test_a_new_study_runs_and_is_found_by_name_and_by_id(self, store: StudyStore) -> None:
        study = store.create_study("first", {"epsilon": 0.01})
        assert (study.slug, study.state, study.revision) == ("first", StudyState.RUNNING, 0)
        assert store.study("first") == store.study(str(study.id)) == study

    def test_moments_are_aware_and_in_utc(self, store: StudyStore) -> None:
        before = datetime.now(UTC)
        study = store.create_study("first", {})
        assert study.created_at.tzinfo is UTC
        assert study.updated_at.utcoffset() == timedelta(0)
        assert before <= study.created_at <= study.updated_at <= datetime.now(UTC)

    def test_a_name_is_taken_once(self, store: StudyStore) -> None:
        study = store.create_study("first", {"epsilon": 0.01})
        with pytest.raises(StudyExistsError, match="'first' exists already; resume it"):
            store.create_study("first", {})
        assert store.studies() == [study]

    @pytest.mark.parametrize("slug", ["", "123", "A", "-a", ".a", "a b", "é", "a" * 81, "a\n", "٣"])
    def test_a_name_that_could_be_an_id_or_is_hard_to_type_is_refused(self, store: StudyStore, slug: str) -> None:
        with pytest.raises(StudySlugError, match="1 to 80 of a-z"):
            store.create_study(slug, {})
        assert store.studies() == []

    @pytest.mark.parametrize("slug", ["a", "0a", "1.5", "bert-base_sst2.2", "a" * 80])
    def test_any_other_name_will_do(self, store: StudyStore, slug: str) -> None:
        assert store.study(store.create_study(slug, {}).slug).slug == slug

    def test_an_unknown_name_is_answered_with_the_nearest(self, store: StudyStore) -> None:
        store.create_study("minilm-sst2", {})
        store.create_study("other", {})
        with pytest.raises(StudyNotFoundError, match="'minilm-sst'; did you mean 'minilm-sst2'"):
            store.study("minilm-sst")

    @pytest.mark.parametrize("name", ["nothing", "7", "9" * 40, "²", ""])
    def test_an_empty_store_has_no_study(self, store: StudyStore, name: str) -> None:
        with pytest.raises(StudyNotFoundError, match="no studies"):
            store.study(name)

    def test_an_unknown_id_is_refused_by_every_method(self, store: StudyStore) -> None:
        for call in (
            lambda: store.claim_study(NOBODY),
            lambda: store.update_study(NOBODY, error="x"),
            lambda: store.delete_study(NOBODY),
            lambda: store.start_candidate(NOBODY, some.proposal(1)),
            lambda: store.shortlist(NOBODY, []),
            lambda: store.candidates(NOBODY),
            lambda: store.revision(str(NOBODY)),
        ):
            with pytest.raises(StudyNotFoundError):
                call()

    def test_studies_come_newest_first(self, store: StudyStore) -> None:
        for slug in ("a", "b", "c"):
            store.create_study(slug, {})
        assert [study.slug for study in store.studies()] == ["c", "b", "a"]

    def test_a_study_says_for_whom_it_was_made(self, store: StudyStore) -> None:
        assert store.create_study("first", {}).owner is None
        assert store.create_study("second", {}, owner="a").owner == "a"
        assert store.study("second").owner == "a"

    @pytest.mark.parametrize(
        "state", [StudyState.QUEUED, StudyState.INTERRUPTED, StudyState.FAILED, StudyState.CANCELLED]
    )
    def test_a_study_that_no_process_runs_can_be_claimed(self, store: StudyStore, state: StudyState) -> None:
        study = store.create_study("first", {}, state=state)
        assert (study.state, store.study("first").state) == (state, state)
        assert store.claim_study(study.id).state is StudyState.RUNNING

    def test_a_study_is_labelled_and_found_by_its_tag(self, store: StudyStore) -> None:
        first, second = store.create_study("first", {}), store.create_study("second", {})
        assert (first.tags, first.note) == ((), "")
        store.label_study(first.id, tags=["paper", "a", "paper"], note="worth\na look")
        labelled = store.label_study(second.id, tags=["paper"])
        assert (labelled.tags, labelled.note, labelled.revision) == (("paper",), "", 1)
        assert store.study("first") == store.studies()[1]
        assert (store.study("first").tags, store.study("first").note) == (("a", "paper"), "worth\na look")
        assert [study.slug for study in store.page(after=None, limit=9, tag="paper")] == ["second", "first"]
        assert [study.slug for study in store.page(after=None, limit=9, tag="a")] == ["first"]
        assert store.page(after=None, limit=9, tag="pape") == []
        assert store.label_study(first.id, note="").tags == ("a", "paper")
        assert store.label_study(first.id, tags=[]).tags == ()
        store.delete_study(second.id)
        assert store.page(after=None, limit=9, tag="paper") == []

    @pytest.mark.parametrize(
        "labels", [{"tags": ["t" * 41]}, {"tags": [" "]}, {"tags": [*"abcdefghijklmnopqrstu"]}, {"note": "n" * 10_001}]
    )
    def test_labels_that_cannot_be_kept_are_refused(self, store: StudyStore, labels: dict) -> None:
        study = store.create_study("first", {})
        with pytest.raises(LabelError, match=f"{next(iter(labels))}: at most"):
            store.label_study(study.id, **labels)
        assert store.study("first") == study

    def test_a_revision_is_found_by_name_and_by_id(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        assert store.revision("first") == store.revision(str(study.id)) == Revision(study.id, 0, 0)
        store.update_study(study.id, context={"a": 1})
        assert store.revision("first") == Revision(study.id, 1, 1)

    def test_what_changes_a_front_is_told_from_what_does_not(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        steps = [
            lambda: store.update_study(study.id, baseline=[some.flops()]),
            lambda: store.finish_candidate(store.start_candidate(study.id, some.proposal(1)).id, some.outcome()),
            lambda: store.add_measurements(store.candidates(study.id)[0].id, [some.flops()]),
            lambda: store.shortlist(study.id, [store.candidates(study.id)[0].id]),
            lambda: store.verify_candidate(store.candidates(study.id)[0].id, some.verification()),
            lambda: store.widen_study(study.id, {"epsilon": 0.5}, []),
        ]
        before = store.revision("first")
        for step in steps:
            step()
            after = store.revision("first")
            assert after.results == after.latest > before.latest
            before = after

    @pytest.mark.parametrize("name", ["nothing", "9" * 40, "", "a\0", "\udcff", "' OR 1=1 --"])
    def test_a_revision_of_nothing_is_refused_with_the_nearest_names(self, store: StudyStore, name: str) -> None:
        store.create_study("first", {})
        for call in (store.revision, store.study):
            with pytest.raises(StudyNotFoundError, match="'first'"):
                call(name)

    def test_pages_hold_every_study_once_newest_first(self, store: StudyStore) -> None:
        made = [store.create_study(f"s-{number}", {}).id for number in range(7)]
        for limit in (1, 2, 3, 7, 10):
            seen: list[int] = []
            while page := store.page(after=seen[-1] if seen else None, limit=limit):
                assert len(page) <= limit
                seen += [study.id for study in page]
            assert seen == made[::-1]

    def test_a_page_goes_on_where_it_was_though_studies_come_and_go(self, store: StudyStore) -> None:
        a, b, c = (store.create_study(slug, {}) for slug in "abc")
        (first,) = store.page(after=None, limit=1)
        store.create_study("d", {})
        store.delete_study(b.id)
        assert (first, list(store.page(after=first.id, limit=5))) == (c, [a])
        assert [study.slug for study in store.page(after=2**60, limit=5)] == ["d", "c", "a"]

    def test_a_page_may_be_of_one_state_one_owner_and_a_part_of_the_name(self, store: StudyStore) -> None:
        store.create_study("bert-base.sst2", {}, owner="a")
        store.create_study("bert_tiny.sst2", {}, owner="b", state=StudyState.QUEUED)
        store.create_study("minilm.sst2", {}, owner="a", state=StudyState.QUEUED)

        def names(**wanted) -> list[str]:
            return [study.slug for study in store.page(after=None, limit=9, **wanted)]

        assert names(state=StudyState.QUEUED) == ["minilm.sst2", "bert_tiny.sst2"]
        assert names(owners={"a", "b"}) == ["minilm.sst2", "bert_tiny.sst2", "bert-base.sst2"]
        assert names(owners=()) == []
        assert names(owners={"a"}) == ["minilm.sst2", "bert-base.sst2"]
        assert names(search="BERT") == ["bert_tiny.sst2", "bert-base.sst2"]
        assert names(search="_") == ["bert_tiny.sst2"]
        assert names(search="%") == names(search="\0") == names(owners={"c"}) == []
        assert names(owners={"a"}, state=StudyState.QUEUED, search="sst2") == ["minilm.sst2"]

    def test_slugs_are_found_by_their_beginning(self, store: StudyStore) -> None:
        for slug in ("a-1", "a-10", "a_b", "b-1", "ab"):
            store.create_study(slug, {})
        assert store.slugs("a-") == {"a-1", "a-10"}
        assert store.slugs("a_") == {"a_b"}
        assert store.slugs("%") == store.slugs("\0") == frozenset()

    def test_a_page_shows_whole_studies(self, store: StudyStore) -> None:
        for slug in ("first", "second"):
            study = store.create_study(slug, {"epsilon": 0.01})
            store.update_study(study.id, baseline=[some.flops()], add_seconds={"search": 1.0})
        assert list(store.page(after=None, limit=2)) == list(store.studies())

    def test_what_is_not_given_stays(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        store.update_study(study.id, context={"a": 1, "b": [1]}, add_seconds={"search": 1.5}, baseline=[some.flops()])
        changed = store.update_study(study.id, context={"b": [2]}, add_seconds={"search": 0.25, "bank": 1})
        assert changed.context == {"a": 1, "b": [2]}
        assert changed.seconds == {"search": 1.75, "bank": 1.0}
        assert changed.baseline == (some.flops(),)
        assert (changed.state, changed.error) == (StudyState.RUNNING, None)
        assert store.study("first") == changed

    def test_a_baseline_replaces_the_one_before(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        store.update_study(study.id, baseline=[some.flops(), some.latency(0.5)])
        assert store.update_study(study.id, baseline=[some.latency(0.25)]).baseline == (some.latency(0.25),)
        assert store.update_study(study.id, baseline=[]).baseline == ()

    def test_a_claim_forgets_the_error(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        store.update_study(study.id, state=StudyState.FAILED, error="the disk was full")
        claimed = store.claim_study(study.id)
        assert (claimed.state, claimed.error) == (StudyState.RUNNING, None)

    def test_an_error_text_may_hold_anything(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        failed = store.update_study(study.id, state=StudyState.FAILED, error="file \udcff\0 ε")
        assert failed.error == "file \\udcff\\x00 ε"
        assert store.study("first") == failed

    def test_what_json_cannot_hold_is_refused_by_name(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        for value in (float("nan"), object(), {1, 2}):
            with pytest.raises(StoreError, match="context: not JSON data"):
                store.update_study(study.id, context={"x": value})
        assert store.study("first") == study

    def test_changing_what_was_put_in_or_got_out_changes_nothing(self, store: StudyStore) -> None:
        spec = {"batch": [1, 32]}
        study = store.create_study("first", spec)
        spec["batch"].append(64)
        study.spec["batch"].append(128)
        assert store.study("first").spec == {"batch": [1, 32]}

    def test_every_write_is_counted(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        candidate = store.start_candidate(study.id, some.proposal(1))
        store.finish_candidate(candidate.id, some.outcome())
        store.add_measurements(candidate.id, [some.latency(0.1)])
        store.shortlist(study.id, [candidate.id])
        store.verify_candidate(candidate.id, some.verification())
        store.update_study(study.id, state=StudyState.COMPLETE)
        store.claim_study(study.id)
        stopped = store.start_candidate(study.id, some.proposal(2))
        store.finish_candidate(stopped.id, Outcome(state=CandidateState.STOPPED))
        store.widen_study(study.id, {}, [stopped.id])
        after = store.study("first")
        assert after.revision == 10
        assert after.updated_at >= study.updated_at

    def test_a_deleted_study_takes_everything_along_but_its_use_of_examples(self, store: StudyStore) -> None:
        study, other = store.create_study("first", {}), store.create_study("other", {})
        candidate = store.start_candidate(study.id, some.proposal(1))
        kept = store.start_candidate(other.id, some.proposal(1))
        store.finish_candidate(candidate.id, some.outcome())
        store.verify_candidate(candidate.id, some.verification())
        store.delete_study(study.id)
        with pytest.raises(StudyNotFoundError):
            store.study("first")
        with pytest.raises(CandidateNotFoundError):
            store.add_measurements(candidate.id, [])
        assert store.candidates(other.id) == [kept]
        assert store.verification_uses(some.EXAMPLES) == 1

    def test_ids_are_never_used_again(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        candidate = store.start_candidate(study.id, some.proposal(1))
        store.delete_study(study.id)
        again = store.create_study("first", {})
        assert again.id != study.id
        assert store.start_candidate(again.id, some.proposal(1)).id != candidate.id

    def test_a_study_counts_once_among_the_users_of_its_examples(self, store: StudyStore) -> None:
        for slug in ("first", "second"):
            study = store.create_study(slug, {})
            for number in range(3):
                candidate = store.start_candidate(study.id, some.proposal(number))
                store.finish_candidate(candidate.id, some.outcome())
                store.verify_candidate(candidate.id, some.verification())
        assert store.verification_uses(some.EXAMPLES) == 2
        assert store.verification_uses("other examples") == 0

    def test_a_study_made_anew_under_a_deleted_ones_name_counts_again(self, store: StudyStore) -> None:
        for _ in range(2):
            study = store.create_study("first", {})
            candidate = store.start_candidate(study.id, some.proposal(1))
            store.finish_candidate(candidate.id, some.outcome())
            store.verify_candidate(candidate.id, some.verification())
            store.delete_study(study.id)
        assert store.verification_uses(some.EXAMPLES) == 2


class CandidateContract:
    """Candidates: started once, finished once, measured and verified afterwards."""

    def test_candidates_are_numbered_from_zero_within_their_study(self, store: StudyStore) -> None:
        for slug in ("first", "second"):
            study = store.create_study(slug, {})
            numbers = [store.start_candidate(study.id, some.proposal(i)).number for i in range(3)]
            assert numbers == [0, 1, 2]

    def test_candidates_come_in_the_order_of_their_numbers_whichever_ends_first(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        started = [store.start_candidate(study.id, some.proposal(number)) for number in range(4)]
        for candidate in (started[2], started[0], started[3]):
            store.finish_candidate(candidate.id, some.outcome())
        assert [candidate.number for candidate in store.candidates(study.id)] == [0, 1, 2, 3]

    def test_a_config_in_flight_is_taken_up_again(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        candidate = store.start_candidate(study.id, some.proposal(1))
        again = Proposal(config=some.config(1), origin=Origin.USER)
        assert store.start_candidate(study.id, again) == candidate
        assert len(store.candidates(study.id)) == 1

    def test_the_order_of_the_groups_does_not_make_another_config(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        a, b = Config.of({"x": 1, "y": 2}), Config.of({"y": 2, "x": 1})
        first = store.start_candidate(study.id, Proposal(config=a, origin=Origin.USER))
        assert store.start_candidate(study.id, Proposal(config=b, origin=Origin.USER)) == first

    def test_the_same_counts_in_another_form_are_another_config(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        store.start_candidate(study.id, some.proposal(1))
        sliced = Proposal(config=some.config(1).in_form(Form.SLICED), origin=Origin.USER)
        assert store.start_candidate(study.id, sliced).number == 1

    def test_a_finished_config_is_not_started_again(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        candidate = store.start_candidate(study.id, some.proposal(1))
        store.finish_candidate(candidate.id, some.outcome())
        before = store.study("first")
        with pytest.raises(StoreError, match="candidate 0, complete already"):
            store.start_candidate(study.id, some.proposal(1))
        assert store.study("first") == before

    @pytest.mark.parametrize("state", [CandidateState.COMPLETE, CandidateState.STOPPED, CandidateState.FAILED])
    def test_an_outcome_is_recorded_once(self, store: StudyStore, state: CandidateState) -> None:
        study = store.create_study("first", {})
        candidate = store.start_candidate(study.id, some.proposal(1))
        finished = store.finish_candidate(candidate.id, Outcome(state=state, reason="why"))
        assert finished.state is state
        with pytest.raises(StoreError, match="recorded once"):
            store.finish_candidate(candidate.id, some.outcome())
        assert store.candidates(study.id) == [finished]

    def test_an_outcome_says_how_it_ended(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        candidate = store.start_candidate(study.id, some.proposal(1))
        with pytest.raises(StoreError, match="not running"):
            store.finish_candidate(candidate.id, Outcome(state=CandidateState.RUNNING))

    @pytest.mark.parametrize("field", ["drop", "seconds"])
    def test_a_value_that_is_no_number_is_refused_by_name(self, store: StudyStore, field: str) -> None:
        study = store.create_study("first", {})
        candidate = store.start_candidate(study.id, some.proposal(1))
        with pytest.raises(StoreError, match=f"{field} is not a number"):
            store.finish_candidate(candidate.id, Outcome(state=CandidateState.COMPLETE, **{field: float("nan")}))
        assert store.candidates(study.id) == [candidate]

    def test_a_failed_write_leaves_nothing_half_written(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        candidate = store.start_candidate(study.id, some.proposal(1))
        before = store.study("first")
        bad = Measurement(quantity="flops", value=1, unit="1", source=Source.COUNTED, samples=(float("inf"),))
        with pytest.raises(StoreError, match="samples of flops"):
            store.finish_candidate(candidate.id, some.outcome(measurements=(some.flops(), bad)))
        assert store.candidates(study.id) == [candidate]
        assert store.study("first") == before

    def test_a_later_measurement_replaces_its_equal_but_never_the_outcome(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        candidate = store.start_candidate(study.id, some.proposal(1))
        proposed = some.latency(0.1, source=Source.TABLE)
        store.finish_candidate(candidate.id, some.outcome(measurements=(some.flops(), proposed)))
        store.add_measurements(candidate.id, [some.latency(0.2), some.latency(1.0, batch=32)])
        store.add_measurements(candidate.id, [some.latency(0.3)])
        (kept,) = store.candidates(study.id)
        assert kept.measurements == (some.flops(), some.latency(1.0, batch=32), some.latency(0.3))
        assert kept.outcome is not None
        assert kept.outcome.measurements == (some.flops(), proposed)

    def test_an_unknown_candidate_is_refused_by_every_method(self, store: StudyStore) -> None:
        for call in (
            lambda: store.finish_candidate(NOBODY, some.outcome()),
            lambda: store.add_measurements(NOBODY, []),
            lambda: store.verify_candidate(NOBODY, some.verification()),
        ):
            with pytest.raises(CandidateNotFoundError, match=str(NOBODY)):
                call()

    def test_the_shortlist_is_exactly_what_was_named_last(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        ids = [store.start_candidate(study.id, some.proposal(i)).id for i in range(4)]
        store.shortlist(study.id, ids[:3])
        store.shortlist(study.id, [ids[3], ids[1]])
        assert [each.shortlisted for each in store.candidates(study.id)] == [False, True, False, True]
        store.shortlist(study.id, [])
        assert not any(each.shortlisted for each in store.candidates(study.id))

    def test_a_shortlist_names_candidates_of_its_study(self, store: StudyStore) -> None:
        study, other = store.create_study("first", {}), store.create_study("other", {})
        mine = store.start_candidate(study.id, some.proposal(1))
        strange = store.start_candidate(other.id, some.proposal(1))
        with pytest.raises(CandidateNotFoundError, match=str(strange.id)):
            store.shortlist(study.id, [mine.id, strange.id])
        assert store.candidates(study.id) == [mine]

    def test_a_candidate_is_verified_once(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        candidate = store.start_candidate(study.id, some.proposal(1))
        store.finish_candidate(candidate.id, some.outcome())
        store.verify_candidate(candidate.id, some.verification(0.005))
        with pytest.raises(StoreError, match="verification happens once"):
            store.verify_candidate(candidate.id, some.verification(0.001))
        assert store.candidates(study.id)[0].verification == some.verification(0.005)

    def test_numbers_of_numpy_become_numbers(self, store: StudyStore) -> None:
        numpy = pytest.importorskip("numpy")
        study = store.create_study("first", {})
        candidate = store.start_candidate(study.id, some.proposal(1))
        store.finish_candidate(
            candidate.id,
            Outcome(
                state=CandidateState.COMPLETE,
                drop=numpy.float32(0.5),
                lost=numpy.int64(3),
                measurements=(some.flops(numpy.float64(2)),),
            ),
        )
        (kept,) = store.candidates(study.id)
        assert kept.outcome is not None
        assert (kept.outcome.drop, kept.outcome.lost, kept.measurements[0].value) == (0.5, 3, 2.0)


class RoundTripContract:
    """Whatever goes in comes out the same."""

    @round_trips
    @given(spec=some.json_objects, context=some.json_objects, baseline=st.lists(some.measurements, max_size=3))
    def test_a_study_comes_back_as_it_went_in(self, store: StudyStore, spec, context, baseline) -> None:
        study = store.create_study(f"s-{uuid4().hex}", spec)
        changed = store.update_study(study.id, context=context, baseline=baseline)
        assert (study.spec, changed.context, changed.baseline) == (spec, context, tuple(baseline))
        assert repr(store.study(study.slug)) == repr(changed)  # also tells 1 from 1.0 and True

    @round_trips
    @given(proposal=some.proposals, outcome=some.outcomes, verification=some.verifications)
    def test_a_candidate_comes_back_as_it_went_in(
        self, store: StudyStore, proposal: Proposal, outcome: Outcome, verification: Verification
    ) -> None:
        study = store.create_study(f"s-{uuid4().hex}", {})
        started = store.start_candidate(study.id, proposal)
        assert started.proposal == proposal
        assert store.candidates(study.id) == [started]
        finished = store.finish_candidate(started.id, outcome)
        assert (finished.outcome, finished.measurements) == (outcome, outcome.measurements)
        assert store.candidates(study.id) == [finished]
        store.verify_candidate(started.id, verification)
        assert store.candidates(study.id)[0].verification == verification


class ClaimContract:
    """Claims: whoever lost a study writes nothing more to it."""

    @pytest.mark.parametrize("lost_to", ["another", "nobody"])
    def test_no_write_gets_through_under_a_void_claim(self, store: StudyStore, lost_to: str) -> None:
        study = store.create_study("first", {})
        mine = store.under(study.claim)
        stopped = mine.start_candidate(study.id, some.proposal(0))
        mine.finish_candidate(stopped.id, Outcome(state=CandidateState.STOPPED, drop=0.2, seen=3))
        candidate = mine.start_candidate(study.id, some.proposal(1))
        if lost_to == "another":
            store.claim_study(study.id)
        else:
            store.update_study(study.id, state=StudyState.QUEUED)
        before = store.study("first"), store.candidates(study.id)
        for write in (
            lambda: mine.claim_study(study.id),
            lambda: mine.update_study(study.id, state=StudyState.FAILED, error="mine"),
            lambda: mine.update_study(study.id, add_seconds={"search": 1.0}),
            lambda: mine.widen_study(study.id, {}, [stopped.id]),
            lambda: mine.start_candidate(study.id, some.proposal(2)),
            lambda: mine.finish_candidate(candidate.id, some.outcome()),
            lambda: mine.add_measurements(candidate.id, [some.latency(1.0)]),
            lambda: mine.shortlist(study.id, [candidate.id]),
            lambda: mine.verify_candidate(candidate.id, some.verification()),
        ):
            with pytest.raises(StudyLostError, match="another process has it"):
                write()
        assert (store.study("first"), store.candidates(study.id)) == before

    def test_a_claim_is_to_one_study_and_holds_while_nobody_else_claims_it(self, store: StudyStore) -> None:
        first, second = store.create_study("first", {}), store.create_study("second", {})
        mine = store.under(first.claim)
        assert mine.claim_study(first.id).claim == first.claim
        mine.update_study(second.id, state=StudyState.COMPLETE)
        mine.finish_candidate(mine.start_candidate(first.id, some.proposal(1)).id, some.outcome())
        assert mine.update_study(first.id, state=StudyState.COMPLETE).state is StudyState.COMPLETE
        with pytest.raises(StudyLostError):
            mine.update_study(first.id, state=StudyState.FAILED)


class GuestContract:
    """Models from elsewhere beside a study: each once, whatever is put twice."""

    def test_a_guest_is_kept_once_with_what_was_measured_of_it(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        store.put_guest(study.id, some.guest("lean", digest="a"))
        measured = some.guest("lean", digest="a", measurements=(some.latency(0.1), some.flops()))
        store.put_guest(study.id, measured)
        (kept,) = store.study("first").guests
        assert replace(kept, added_at=None) == measured and kept.added_at is not None
        assert store.verification_uses(some.EXAMPLES) == 1
        store.put_guest(study.id, some.guest("lean", digest="b"))  # another file in its place
        store.put_guest(study.id, some.guest("later", digest="c"))
        store.put_guest(study.id, some.guest("moved", digest="c"))
        assert [(each.name, each.digest) for each in store.studies()[0].guests] == [("lean", "b"), ("moved", "c")]
        assert store.create_study("second", {}).guests == ()

    def test_a_guest_changes_the_results_and_goes_with_its_study(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        before = store.revision("first")
        store.put_guest(study.id, some.guest("lean", digest="a"))
        assert store.revision("first").results > before.results
        with pytest.raises(StoreError, match="not a number"):
            store.put_guest(study.id, replace(some.guest("lean", digest="b"), verification=some.verification(math.nan)))
        with pytest.raises(StudyNotFoundError):
            store.put_guest(NOBODY, some.guest("lean", digest="a"))
        store.update_study(study.id, state=StudyState.COMPLETE)
        store.delete_study(study.id)
        assert store.studies() == []


class PurchaseContract:
    """Purchases of labels: planned, asked, answered once."""

    def test_a_purchase_is_kept_asked_and_answered(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        store.add_purchase(study.id, 1, plan={"texts": 9}, keys=b"k", texts=[some.disputed(5), some.disputed(2)])
        (bought,) = store.purchases(study.id)
        assert (bought.number, bought.plan, bought.keys) == (1, {"texts": 9}, b"k")
        assert bought.texts == (some.disputed(2), some.disputed(5))
        store.ask_labels(study.id, 1, [5], batch=1)
        store.give_labels(study.id, 1, {5: Answer(1)})
        store.ask_labels(study.id, 1, [2], batch=1)  # by another process, which does not know of the first
        store.give_labels(study.id, 1, {5: Answer(again=SKIPPED), 2: Answer()})
        assert [text.batch for text in store.purchases(study.id)[0].texts] == [None, 1]
        assert [text.answer for text in store.purchases(study.id)[0].texts] == [Answer(), Answer(1, SKIPPED)]
        store.delete_study(study.id)

    def test_a_label_is_given_once_and_a_purchase_has_its_place(self, store: StudyStore) -> None:
        study = store.create_study("first", {})
        store.add_purchase(study.id, 1, plan={}, keys=b"", texts=[some.disputed(0), some.disputed(1)])
        store.give_labels(study.id, 1, {0: Answer(1)})
        with pytest.raises(PurchaseError, match="text 0 has a label already"):
            store.give_labels(study.id, 1, {1: Answer(0), 0: Answer(0)})
        assert [text.answer.label for text in store.purchases(study.id)[0].texts] == [1, None]
        with pytest.raises(PurchaseError, match="another was made meanwhile"):
            store.add_purchase(study.id, 1, plan={}, keys=b"", texts=[])
        with pytest.raises(StudyNotFoundError):
            store.add_purchase(NOBODY, 1, plan={}, keys=b"", texts=[])


class StoreContract(
    StudyContract, CandidateContract, RoundTripContract, ClaimContract, GuestContract, PurchaseContract
):
    """Everything, and threads at once."""

    def test_threads_share_a_store_and_lose_nothing(self, store: StudyStore) -> None:
        study = store.create_study("first", {})

        def work(worker: int) -> None:
            for number in range(worker * 10, worker * 10 + 10):
                candidate = store.start_candidate(study.id, some.proposal(number))
                store.finish_candidate(candidate.id, some.outcome(number / 100))
                store.update_study(study.id, add_seconds={"search": 1.0})
                store.candidates(study.id)

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(work, range(6)))
        candidates = store.candidates(study.id)
        assert [each.number for each in candidates] == list(range(60))
        assert {each.config for each in candidates} == {some.config(number) for number in range(60)}
        assert all(each.state is CandidateState.COMPLETE for each in candidates)
        assert (store.study("first").revision, store.study("first").seconds) == (180, {"search": 60.0})

    def test_of_threads_that_want_one_name_one_gets_it(self, store: StudyStore) -> None:
        def attempt(_: int) -> bool:
            try:
                store.create_study("wanted", {})
            except StudyExistsError:
                return False
            return True

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(attempt, range(6))) == 1
