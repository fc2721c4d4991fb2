"""Algorithm 1 of Smarts et al. 2025, steps 2 and 5: one ratio, raised while ε holds, lowered when it breaks.

Start by pruning 30 % of the units of every group, the least by magnitude; 10 % more while A(W') >= A(W) − ε, 10 %
less while it does not; stop where the two meet. The published text prunes single weights; here whole heads and
neurons go, so that steps 3 and 4 (time, energy) can find what step 2 promises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from optimizer.search.steps import Step
from search_spaces.config import Config, Form
from search_spaces.groups import Group, config_of
from studies.records import Candidate, Origin, Proposal

START_TENTHS = 3


class IterativeProposer:
    """Proposes the next ratio from the candidates so far; None when p can be neither raised nor lowered."""

    def __init__(self, groups: Sequence[Group], is_feasible: Callable[[Candidate], bool]) -> None:
        self._groups, self._is_feasible = tuple(groups), is_feasible

    def propose(self, finished: Sequence[Candidate], pending: Sequence[Step] = ()) -> Proposal | None:
        """Return the next proposal, a pure function of what is finished; nothing while its forerunner is pending."""
        if pending:
            return None
        answers = {pruned_config(self._groups, tenths / 10): tenths for tenths in range(1, 10)}
        held = {answers[c.config]: self._is_feasible(c) for c in finished if c.config in answers}
        tenths = next_tenths(held)
        if tenths is None:
            return None
        config = pruned_config(self._groups, tenths / 10)
        return Proposal(config=config, origin=Origin.ITERATIVE, coordinates=(tenths / 10,))

    @property
    def exhausted(self) -> str:
        """Why there is nothing left."""
        return "the iterative algorithm stops at the ratio where ε breaks"


def next_tenths(held: Mapping[int, bool]) -> int | None:
    """Return the next p in tenths, given which of them held ε; None when p can be neither raised nor lowered."""
    tenths = START_TENTHS
    while tenths in held:
        following = tenths + 1 if held[tenths] else tenths - 1
        if not 1 <= following <= 9 or held.get(following, held[tenths]) != held[tenths]:
            return None
        tenths = following
    return tenths


def pruned_config(groups: Sequence[Group], ratio: float) -> Config:
    """Return step 1: every group without `ratio` of its units, to the nearest level; nothing is reconstructed."""
    share = round(1 - ratio, 6)  # 1 - 0.9 is below 0.1 in floats, and would turn a tie between two levels around
    return config_of(groups, {group.name: share * group.units for group in groups}, Form.SLICED)
