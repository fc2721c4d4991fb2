from __future__ import annotations

import pytest

from objectives.statistics import (
    describe_power,
    largest_certifiable_drop,
    paired_drop_p_value,
    smallest_certifying_n,
)


@pytest.mark.parametrize(("n", "share", "epsilon"), [(1821, 0.03, 0.01), (277, 0.1, 0.05), (9815, 0.02, 0.005)])
def test_the_largest_certifiable_drop_certifies_and_one_example_more_does_not(
    n: int, share: float, epsilon: float
) -> None:
    drop = largest_certifiable_drop(n, share, epsilon)
    assert drop is not None
    net, discordant = round(drop * n), round(share * n)
    p = [paired_drop_p_value((discordant + k) / 2, (discordant - k) / 2, n, epsilon) for k in (net, net + 1)]
    assert p[0] <= 0.05 < p[1]


def test_few_examples_certify_only_an_improvement_or_nothing() -> None:
    improvement = largest_certifiable_drop(277, 0.03, 0.01)
    assert improvement is not None
    assert improvement < 0
    assert largest_certifiable_drop(100, 0.0, 0.01) is None


def test_the_smallest_n_certifies_and_one_example_fewer_does_not() -> None:
    n = smallest_certifying_n(0.03, 0.01)
    assert n is not None
    assert paired_drop_p_value(0.015 * n, 0.015 * n, n, 0.01) <= 0.05
    assert paired_drop_p_value(0.015 * (n - 1), 0.015 * (n - 1), n - 1, 0.01) > 0.05


def test_a_larger_drop_needs_more_examples_and_one_of_epsilon_none_are_enough() -> None:
    without, half, whole = (smallest_certifying_n(0.03, 0.01, drop=drop) for drop in (0.0, 0.005, 0.01))
    assert without is not None
    assert half is not None
    assert without < half
    assert whole is None


def test_the_sentence_says_what_can_be_certified() -> None:
    assert describe_power(1821, 0.01) == (
        "with n=1,821 and 3 % discordant examples an observed drop of at most 0.0027 can be certified at ε = 0.01; "
        "one example is 0.00055"
    )
    assert "only an observed gain of at least" in describe_power(277, 0.01)
    assert f"no drop at all needs n={smallest_certifying_n(0.03, 0.01):,}" in describe_power(277, 0.01)
    assert "no observed drop or gain can be certified" in describe_power(100, 0.0)


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="discordant_share"):
        largest_certifiable_drop(100, 1.5, 0.01)
