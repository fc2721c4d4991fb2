"""A study with limits and no ε: the best accuracy within them, measured with intervals that hold for all members."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from search_space_fixture import candidate, space
from stored_studies import put_study
from tiny_checkpoints import DISTILLED, save_data, save_tiny

from objectives.measurement import Measurement, Source
from objectives.metrics import METRICS
from objectives.racing import Race
from objectives.statistics import paired_drop_interval, paired_drop_p_value
from optimizer import recommend
from optimizer.certify.choice import refuse_unbuyable
from optimizer.door.taken import Taken
from optimizer.errors import InputError
from optimizer.fronts.fronts import front_of
from optimizer.fronts.headline import headline
from optimizer.handover.export import export_candidate
from optimizer.loop.transfer import decided
from optimizer.names import check_larger
from optimizer.run import optimize
from optimizer.search.ladder import ladder
from optimizer.search.refine import Refiner
from optimizer.selection.certification import stored_list
from optimizer.selection.power import what_can_be_concluded
from optimizer.selection.shortlist import CostOf, choose_shortlist
from optimizer.spec import StudySpec
from optimizer.views.member import FrontResult, RunResult
from search_spaces.config import Config, Form
from studies.opening import open_store
from studies.records import Candidate, CandidateState, Origin, Outcome, Proposal, Verdict
from studies.store import StudyStore

LIMIT = 0.6
LEAST = {"model": "phrases-mini", "task": "phrases"}
FIELDS = {**DISTILLED, "limits": {"flops_ratio": LIMIT}, "trials": 6, "recover_epochs": 1}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("within")


@pytest.fixture(scope="module")
def store(place: Path) -> Iterator[StudyStore]:
    with closing(open_store(f"sqlite:///{place}/s.sqlite")) as opened:
        yield opened


@pytest.fixture(scope="module")
def result(place: Path, store: StudyStore) -> RunResult:
    save_tiny(place / "model")
    save_data(place / "data", place / "model", {"train": 120, "validation": 130, "test": 120})
    spec = StudySpec.model_validate({**FIELDS, "model": str(place / "model"), "data": str(place / "data")})
    with pytest.MonkeyPatch.context() as few:
        few.setattr("optimizer.recovery.halving.STUDENTS", 2)
        return optimize(spec, store=store, cache_dir=place / "cache", study="within")


def test_every_member_within_the_limit_is_measured_whatever_it_drops(result: RunResult, store: StudyStore) -> None:
    made = store.candidates(store.study("within").id)
    shortlisted = [c for c in made if c.shortlisted]
    assert result.epsilon is result.hypervolume is None
    assert result.limits == {"flops": LIMIT}
    assert {m.verdict for m in result.front} == {Verdict.MEASURED}
    assert all(m.flops_ratio <= LIMIT for m in result.front)
    for member in result.front:
        verification = made[member.candidate].verification
        assert member.verification is not None
        assert verification is not None
        assert verification.lost is not None
        assert verification.gained is not None
        counts = verification.lost, verification.gained, verification.n
        bounds = paired_drop_interval(*counts, 1 - 0.05 / len(shortlisted))
        assert member.verification.interval == (bounds.lower, bounds.upper)
        assert member.verification.interval_members == len(shortlisted) > 1
        assert member.verification.chance_above is None
    listed = stored_list(store.study("within"))
    assert listed is not None
    assert set(listed.members) == {c.number for c in shortlisted}


def test_what_is_trained_is_at_the_limit_and_not_far_below_it(result: RunResult, store: StudyStore) -> None:
    made = store.candidates(store.study("within").id)
    flops = {c.number: next(m.value for m in c.measurements if m.quantity == "flops") for c in made}
    trained = [flops[c.number] for c in made if c.config.form is Form.FINETUNED]
    assert result.baseline is not None
    assert len(trained) == 2
    assert max(trained) > 0.9 * max(flops.values())
    assert min(trained) > 0.4 * LIMIT * result.baseline.flops


def test_the_best_is_the_member_of_the_smallest_drop_on_the_search_examples(result: RunResult) -> None:
    best = next(m for m in result.front if m.candidate == result.best)
    assert best.drop == min(m.drop for m in result.front if m.drop is not None)
    assert best.verification is not None
    found = recommend(result)
    assert (found.rule, found.member) == ("drop", best)
    said = headline(result)
    for text in (said, found.reason):
        assert f"drop {best.verification.drop:.4f} [" in text
        assert f"95 % for all {result.shortlist_size} verified members together" in text
        assert "ε" not in text
    assert said.startswith(f"Smallest predicted drop within 0.6 of the FLOPs: candidate #{best.candidate} ")
    with pytest.raises(InputError, match="max_drop: is required by the rule budget"):
        recommend(result, "budget")


def test_a_front_at_an_epsilon_judges_with_bounds_for_all_members_together(
    result: RunResult, store: StudyStore
) -> None:
    study = store.study("within")
    made = store.candidates(study.id)
    for epsilon in (0.0, 0.3, 0.9):
        front = front_of(study, made, epsilon=epsilon)
        assert (front.epsilon, front.best, front.undecided) == (epsilon, None, 0)
        for member in front.items:
            verification = made[member.candidate].verification
            assert verification is not None
            p = paired_drop_p_value(verification.lost or 0, verification.gained or 0, verification.n, epsilon)
            is_certified = p <= 0.04 / result.shortlist_size and verification.drop <= epsilon
            within = Verdict.CERTIFIED if is_certified else Verdict.VERIFIED
            assert member.verdict is (within if verification.drop <= epsilon else Verdict.REFUTED)


def test_what_needs_an_epsilon_is_refused_with_the_remedy(result: RunResult, store: StudyStore) -> None:
    study = store.study(result.study)
    spec = StudySpec.stored(study.spec)
    with pytest.raises(InputError, match=r"no ε that a certificate could be for; .* `start_from=within` and `epsilon`"):
        refuse_unbuyable(study, spec)
    with pytest.raises(InputError, match="epsilon: cannot widen a study without ε"):
        check_larger(0.5, spec)


def test_an_export_says_that_its_drop_was_measured(result: RunResult, store: StudyStore, place: Path) -> None:
    assert result.best is not None
    export_candidate(store, store.study("within"), result.best, place / "small", cache_dir=place / "cache")
    manifest = json.loads((place / "small" / "manifest.json").read_text())
    card = (place / "small" / "README.md").read_text()
    assert manifest["epsilon"] is None
    assert "of study `within`, within 0.6 of the FLOPs, no ε (accuracy)." in card
    assert "**measured: the study had limits and no ε" in card
    assert f"(95 % for all {result.shortlist_size} verified members together, paired)" in card


def test_a_spec_needs_an_epsilon_or_a_limit() -> None:
    with pytest.raises(ValidationError, match="is required, unless a limit") as refused:
        StudySpec.model_validate(LEAST)
    assert refused.value.errors()[0]["loc"] == ("epsilon",)
    assert StudySpec.model_validate({**LEAST, "limits": {"size_ratio": 0.5}}).epsilon is None


@pytest.mark.parametrize(
    ("fields", "epsilon"),
    [({}, 0.01), ({"limits": {"flops_ratio": 0.5}}, None), ({"limits": {"flops_ratio": 0.5}, "epsilon": 0.1}, 0.1)],
)
def test_python_code_gets_the_usual_epsilon_unless_a_limit_is_given(
    fields: dict[str, Any], epsilon: float | None
) -> None:
    assert Taken("phrases-mini", "phrases", None, None, {}).spec(fields).epsilon == epsilon


def test_no_drop_stops_a_race_without_an_epsilon() -> None:
    race = Race(300, float("inf"))
    assert not any(race.update([1] * 100, [0] * 100) for _ in range(3))
    assert (race.seen, race.lost) == (300, 300)


def test_the_power_is_the_width_of_an_interval() -> None:
    spec = StudySpec.model_validate({**LEAST, "limits": {"flops_ratio": 0.5}})
    assert "a drop is measured to ±0.0124" in what_can_be_concluded(1821, spec, METRICS["accuracy"])
    assert "drops of f1 get intervals" in what_can_be_concluded(1821, spec, METRICS["f1"])


def test_the_ladder_begins_with_the_best_config_at_the_limit_and_scales_its_ratios_to_it() -> None:
    limited = space({"flops": 0.4})
    ratios = [limited.costs["flops"].ratio(p.config) for p in ladder(limited, 60, top=limited.reach())]
    assert space().reach() == 1.0
    assert limited.reach() == pytest.approx(0.4, abs=0.01)
    assert ratios[0] == max(ratios) == limited.costs["flops"].ratio(limited.optimal(limited.reach())) <= 0.4
    assert len(ratios) > len(ladder(limited, 60))


def test_refinement_begins_with_the_smallest_drop() -> None:
    of = space()
    history = [candidate(number, p, epsilon=1.0) for number, p in enumerate(ladder(of, 30))]
    refiner = Refiner(of, is_feasible=lambda _: True, seeks_accuracy=True)
    proposal = refiner.propose(history)
    assert proposal is not None
    smallest = min(c.outcome.drop for c in history if c.outcome is not None and c.outcome.drop is not None)
    parent = history[proposal.parent or 0].outcome
    assert parent is not None
    assert parent.drop == smallest


def test_half_of_the_shortlist_are_the_smallest_drops() -> None:
    of = space()
    made = [candidate(number, p, epsilon=1.0) for number, p in enumerate(ladder(of, 90))]
    flops = of.costs["flops"]
    chosen = choose_shortlist(
        made, is_feasible=lambda _: True, costs_of=[lambda c: flops.ratio(c.config)], epsilon=float("inf")
    )
    by_drop = sorted(made, key=lambda c: c.outcome.drop if c.outcome and c.outcome.drop is not None else 1.0)
    assert len(chosen) == 10
    assert {c.number for c in by_drop[:5]} <= {c.number for c in chosen}


def test_the_shortlist_is_spread_over_every_cost_that_counts() -> None:
    """Of a hundred candidates of equal size and drop, one has a small file and a larger divergence."""
    diverging = Measurement(quantity="divergence", value=1.0, unit="nat", source=Source.MEASURED)
    proposals = ladder(space(), 90)
    made = [candidate(number, p, epsilon=1.0) for number, p in enumerate([proposals[0]] * 100)]
    made[60] = replace(made[60], measurements=(diverging,))

    def flops(c: Candidate) -> float:
        return 0.2 + 0.008 * c.number

    def size(c: Candidate) -> float:
        return 0.1 if c.number == 60 else 0.9 + 0.001 * c.number

    def chosen(*costs_of: CostOf) -> list[int]:
        return [c.number for c in choose_shortlist(made, is_feasible=lambda _: True, costs_of=costs_of, epsilon=1.0)]

    assert 60 not in chosen(flops)
    both = chosen(flops, size)
    assert 60 in both
    assert both == sorted(both)
    assert len(both) == len({*both}) == 10


@pytest.mark.parametrize(
    ("theirs", "ours", "taken"), [(0.01, None, 1), (0.01, 0.01, 2), (None, 0.01, 1), (None, None, 1)]
)
def test_a_study_takes_from_another_what_its_own_tolerance_would_not_have_stopped(
    theirs: float | None, ours: float | None, taken: int, tmp_path: Path
) -> None:
    """Of two candidates, one was stopped for its drop: without an ε it has to be evaluated to the end."""
    limits = {"flops_ratio": 0.9}
    with closing(open_store(f"sqlite:///{tmp_path}/s.sqlite")) as opened:
        source = put_study(opened, "s", candidates=[(0.0, 0.5)], epsilon=theirs, limits=limits)
        if theirs is not None:
            proposal = Proposal(config=Config.of({"layer.9.heads": 1}), origin=Origin.LADDER)
            stopped = Outcome(state=CandidateState.STOPPED, drop=0.2, lost=30, gained=2, seen=140)
            opened.finish_candidate(opened.start_candidate(source.id, proposal).id, stopped)
        spec = StudySpec.model_validate({**LEAST, "epsilon": ours, "limits": limits})
        assert len(decided(source, opened, spec.tolerance)) == taken


def test_before_verification_the_headline_quotes_the_search_examples(tmp_path: Path) -> None:
    with closing(open_store(f"sqlite:///{tmp_path}/s.sqlite")) as opened:
        limits = {"flops_ratio": 0.5, "size_ratio": 0.6}
        study = put_study(opened, "s", candidates=[(0.1, 0.5), (0.3, 0.2)], epsilon=None, limits=limits)
        front: FrontResult = front_of(study, opened.candidates(study.id))
        assert [m.candidate for m in front.items] == [1, 0]
        assert headline(front) == (
            "Smallest predicted drop within 0.5 of the FLOPs and 0.6 of the size: candidate #0 with 50% of the dense "
            "model's FLOPs, drop 0.1000 on 200 search examples, not verified."
        )
        none = front_of(study, opened.candidates(study.id), limits={"flops": 0.1})
        assert none.why_empty == "no candidate is within every limit: `limits.flops_ratio` is 0.1, the lowest is 0.2"
        assert headline(none) == "Nothing is feasible: no candidate is within 0.1 of the FLOPs."
