"""Later measurements replace their equals, and only those."""

from __future__ import annotations

import store_examples as some
from hypothesis import given
from hypothesis import strategies as st

from studies.merging import identity, merged

lists = st.lists(st.builds(some.latency, st.sampled_from([0.1, 0.2, 0.3]), batch=st.integers(1, 3)), max_size=6)


def test_a_later_measurement_under_equal_conditions_replaces() -> None:
    assert merged([some.flops(), some.latency(1.0)], [some.latency(2.0)]) == (some.flops(), some.latency(2.0))


def test_other_conditions_or_quantities_stand_beside() -> None:
    both = (some.latency(1.0, batch=1), some.latency(1.0, batch=32), some.flops())
    assert merged(both[:2], both[2:]) == both


@given(earlier=lists, later=lists)
def test_every_identity_of_the_later_stands_once_with_its_last_value(earlier, later) -> None:
    result = merged(earlier, later)
    last = {identity(each): each for each in later}
    replaced = [each for each in result if identity(each) in last]
    assert sorted(map(identity, replaced)) == sorted(last)
    assert all(last[identity(each)] == each for each in replaced)
    assert [each for each in result if identity(each) not in last] == [e for e in earlier if identity(e) not in last]


@given(first=lists, second=lists)
def test_adding_in_two_steps_or_at_once_is_the_same(first, second) -> None:
    assert merged((), (*merged((), first), *second)) == merged((), (*first, *second))
