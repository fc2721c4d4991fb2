"""Gains: which ratios to the dense model are below 1 beyond doubt, among all that were measured together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace

from objectives.measurement import Measurement
from objectives.repeats import is_gain
from search_spaces.transforms.kernels import DENSE_KERNELS

GAIN, COMPARISONS = "gain", "comparisons"  # conditions of a ratio


def with_gains(
    taken: Mapping[Hashable, Sequence[Measurement]], *, dense: Hashable, of: Callable[[Measurement], bool]
) -> dict[Hashable, list[Measurement]]:
    """Say of every ratio that is one `of` these whether it is a gain, with an error of 5 % in all of them together.

    Of twenty copies of the dense model, each timed at two batch sizes and called a gain with 2.5 % error, one would be
    in 64 % of studies.
    """
    comparisons = sum(of(each) for key, measured in taken.items() if key != dense for each in measured)

    def said(ratio: Measurement) -> Measurement:
        found = {GAIN: is_gain(ratio, comparisons=comparisons), COMPARISONS: comparisons}
        return replace(ratio, conditions={**ratio.conditions, **found})

    return {
        key: [said(each) if key != dense and of(each) else each for each in measured] for key, measured in taken.items()
    }


def shows_gain(ratio: Measurement | None) -> bool:
    """Whether a stored ratio is a gain: never where the dense model's kernels run.

    Ratios of older studies were not looked at together: theirs is a gain where its own interval is below 1.
    """
    if ratio is None:
        return True
    if ratio.conditions.get("kernels") == DENSE_KERNELS:
        return False
    return bool(ratio.conditions.get(GAIN, ratio.interval is None or ratio.interval.upper < 1))
