"""Written: the proposals of the distributions that a user gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimizer.fields.distributions import NAMES, Distribution, written_of
from optimizer.search.space import Space
from search_spaces.config import Config
from studies.records import Origin, Proposal


@dataclass(frozen=True)
class Wanted:
    """Configs that a user gives with the names under which they are shown; `above` names those above a limit."""

    names: Mapping[Config, str]
    above: Sequence[str] = ()

    @property
    def proposals(self) -> list[Proposal]:
        """One for each config, in the order in which they were given."""
        return [Proposal(config=config, origin=Origin.USER) for config in self.names]

    @property
    def in_context(self) -> Mapping[str, Mapping[str, str]]:
        """What a study keeps of them."""
        return {NAMES: {config.digest: name for config, name in self.names.items()}} if self.names else {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What is said of those that are left out."""
        return (f"distributions above a limit, not evaluated: {', '.join(self.above)}",) if self.above else ()


NOTHING = Wanted({})


def wanted(distributions: Sequence[Distribution], space: Space) -> Wanted:
    """Return what distributions ask for in a space. Those that round to one config share it. Raises `InputError`."""
    names: dict[Config, list[str]] = {}
    above: list[str] = []
    for one in written_of(distributions):
        config = space.merged(one.config(space.groups, space.form))
        if space.within_limits(config):
            names.setdefault(config, []).append(one.name)
        else:
            above.append(one.name)
    return Wanted({config: " = ".join(each) for config, each in names.items()}, above)
