"""Importance on candidates whose drop and cost are known functions of their levels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from optimizer.fronts.importance import LEAST, importances
from optimizer.views.member import Member

Law = Callable[[dict[str, int]], float]


def members(count: int, drop: Law, flops: Law, *, seen: int = 100) -> list[Member]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        config = {"a": int(rng.integers(1, 9)), "b": int(rng.integers(1, 9)), "frozen": 4}
        made.append(
            Member(
                candidate=number, config=config, form="sliced", origin="sampler", accuracy=None, drop=drop(config),
                drop_interval=None, seen=seen, verification=None, flops=flops(config), flops_ratio=1.0, parameters=1,
                size_bytes=4,
            )
        )  # fmt: skip
    return made


def test_the_group_that_a_quantity_depends_on_comes_first_with_the_sign_of_its_effect() -> None:
    found = importances(members(60, lambda c: 1 / c["a"], lambda c: c["b"] ** 2), ["flops"], whole=100)
    drop, flops = found
    assert (drop.quantity, drop.groups[0].group, drop.n) == ("drop", "a", 60)
    assert drop.groups[0].share > 0.8
    assert drop.groups[0].rank_correlation == pytest.approx(-1)
    assert (flops.groups[0].group, flops.groups[0].rank_correlation) == ("b", pytest.approx(1))
    assert sum(one.share for one in drop.groups) == pytest.approx(1)
    frozen = next(one for one in drop.groups if one.group == "frozen")
    assert (frozen.share, frozen.rank_correlation) == (0.0, None)


def test_nothing_is_said_of_too_few_of_unmeasured_or_of_what_never_varies() -> None:
    few = importances(members(LEAST - 1, lambda c: c["a"], lambda c: c["b"]), ["flops"], whole=100)
    assert [(one.n, one.groups) for one in few] == [(LEAST - 1, ()), (LEAST - 1, ())]
    unmeasured, constant = importances(members(LEAST, lambda _: 0.0, lambda c: c["b"]), ["latency"], whole=100)[::-1]
    assert (unmeasured.n, unmeasured.groups) == (0, ())
    assert (constant.n, constant.groups) == (LEAST, ())


def test_candidates_that_were_stopped_early_are_left_out() -> None:
    stopped = members(LEAST, lambda c: c["a"], lambda c: c["b"], seen=50)
    assert importances(stopped, [], whole=100)[0].n == 0


def test_a_group_that_some_candidates_lack_is_left_out_by_name() -> None:
    known = members(LEAST, lambda c: 1 / c["a"], lambda c: c["b"])
    known[3] = known[3].model_copy(update={"config": {**known[3].config, "rank.only": 2}})
    known[-1] = known[-1].model_copy(
        update={"config": {name: n for name, n in known[-1].config.items() if name != "b"}}
    )
    drop = importances(known, [], whole=100)[0]
    assert [one.group for one in drop.groups] == ["a", "frozen"]
    assert drop.method.endswith("left out, since some candidates have no level of it: b, rank.only")
