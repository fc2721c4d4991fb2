"""Recommendations: every rule on a front whose members are known, with every cost as a ratio to the dense model's."""

from __future__ import annotations

from contextlib import closing

import pytest
from stored_studies import put_study

from optimizer import recommend
from optimizer.errors import InputError, NothingFeasibleError
from optimizer.fronts.fronts import Axes, front_of
from optimizer.fronts.recommendation import UnmeasuredError, parsed_weights
from optimizer.views.member import FrontResult, Member, VerificationView
from studies.opening import open_store
from studies.records import Verdict

MEMBERS = [(0.0, 0.9), (0.01, 0.5), (0.04, 0.4)]


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> FrontResult:
    with closing(open_store(f"sqlite:///{tmp_path_factory.mktemp('front')}/s.sqlite")) as store:
        study = put_study(store, "s", candidates=MEMBERS)
        return front_of(study, store.candidates(study.id))


def test_the_knee_is_the_fronts_own_and_says_so(front: FrontResult) -> None:
    found = recommend(front)
    assert found.member.candidate == front.knee == 1
    assert found.reason.startswith("candidate 1 is the knee of the front")


@pytest.mark.parametrize("cost", ["flops", "parameters", "size"])
def test_weights_add_drops_in_units_of_epsilon_and_ratios_to_the_dense_model(cost: str, front: FrontResult) -> None:
    for weight in (0.1, 0.5, 1.0, 2.0, 4.0, 8.0):
        sums = [drop / 0.05 + weight * ratio for drop, ratio in MEMBERS]
        found = recommend(front, "weights", weights={"drop": 1.0, cost: weight})
        assert found.member.candidate == sums.index(min(sums))
    assert f"8 × {cost}" in found.reason


def test_an_order_and_a_budget(front: FrontResult) -> None:
    assert recommend(front, "lexicographic", order=["size", "flops"]).member.candidate == 2
    assert recommend(front, "budget", max_drop=0.02).member.candidate == 1
    with pytest.raises(NothingFeasibleError, match=r"within -1; the smallest drop is 0\.0000"):
        recommend(front, "budget", max_drop=-1)


def test_the_knee_of_what_a_filter_leaves_is_its_own(front: FrontResult) -> None:
    left = front.model_copy(update={"items": front.items[:1]})
    assert recommend(left).member == front.items[0]
    with pytest.raises(NothingFeasibleError, match="the front of 's' has no member to recommend"):
        recommend(front.model_copy(update={"items": ()}))


def test_what_cannot_choose_is_refused_by_name(front: FrontResult) -> None:
    with pytest.raises(UnmeasuredError, match="energy: was not measured"):
        recommend(front, "lexicographic", order=["energy"])
    with pytest.raises(InputError, match=r"rule: .*'knee'"):
        recommend(front, "knie")
    with pytest.raises(InputError, match="rule: knee leaves out what was given for budget"):
        recommend(front, max_drop=0.01)
    with pytest.raises(InputError, match="rule: budget leaves out what was given for weights"):
        recommend(front, "budget", weights={"flops": 2.0})
    with pytest.raises(InputError, match="weight: 'drop' is given twice"):
        parsed_weights(["drop:1", "drop:2"])
    for text in ("flops", "flops:x", "flops:-1", "speed:1", "flops:nan"):
        with pytest.raises(InputError, match="weight"):
            recommend(front, "weights", weights=parsed_weights([text]))


def test_drops_corrected_for_luck_choose_the_knee_and_a_member_without_proof_says_so(front: FrontResult) -> None:
    def verified(member: Member, corrected: float | None) -> Member:
        checked = VerificationView(
            n=500, accuracy=0.9, drop=member.drop or 0.0, interval=(-0.1, 0.1), upper_95=None, verdict=Verdict.VERIFIED,
            shrunken_drop=corrected, chance_above=corrected and 0.25,
        )  # fmt: skip
        return member.model_copy(update={"verification": checked})

    def filtered(*corrected: float | None) -> FrontResult:
        members = tuple(verified(member, drop) for member, drop in zip(front.items, corrected, strict=True))
        return front.model_copy(update={"items": members, "knee": None})

    axes = Axes(("flops",), by_verification=True)
    assert axes.corrected_losses(filtered(0.01, 0.04, 0.0).items)[:, 0].tolist() == [0.01, 0.04, 0.0]
    assert recommend(filtered(None, 0.04, 0.0)).member.candidate == 1  # not all are known
    found = recommend(filtered(0.01, 0.04, 0.0))
    assert found.member.candidate == 2
    assert "corrected for luck the drop is 0.0100" in found.reason
    assert "the chance that it is above ε = 0.05 is at most 25%" in found.reason
    assert found.reason.endswith("no member is certified")
