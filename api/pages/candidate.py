"""A candidate's page: the units kept in each layer, its figures and the dense model's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from api.http.problems import ProblemError
from api.http.state import State
from optimizer.fronts.result import result_of
from optimizer.handover.card import model_card
from optimizer.views.member import Member, RunResult
from studies.records import Candidate, Study

ENCODER_KINDS = (".heads", ".neurons")  # groups of image networks are called by their layer alone


@dataclass(frozen=True, slots=True)
class Kept:
    """The units of a group that a candidate keeps; the dense model has `whole`."""

    units: int
    whole: int

    @property
    def width(self) -> float:
        """The share kept, in percent."""
        return round(100 * self.units / self.whole, 1) if self.whole else 0.0


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer and the units that several candidates keep: `kept[kind][i]` are the heads or neurons of candidate i."""

    name: str
    kept: Mapping[str, Sequence[Kept | None]]


@dataclass(frozen=True, slots=True)
class Detail:
    """Candidates of one study in detail."""

    result: RunResult
    members: Sequence[Member]
    records: Sequence[Candidate]
    layers: Sequence[Layer]
    kinds: Sequence[str]

    @property
    def card(self) -> str:
        """The model card of the first one."""
        return model_card(self.members[0], self.result)


def detail_of(study: Study, state: State, numbers: Sequence[int]) -> Detail:
    """Return the details of candidates. Raises `ProblemError` 404 for one without a drop."""
    records = {candidate.number: candidate for candidate in state.records.candidates(study)}
    members = {m.candidate: m for m in state.records.members(study)} if study.baseline else {}
    for number in numbers:
        if number not in members:
            raise ProblemError(404, f"study {study.slug!r} has no candidate {number} with a drop")
    chosen = [members[number] for number in numbers]
    layers = _layers(chosen, dense_config(study, members.values()))
    kinds = list(dict.fromkeys(kind for layer in layers for kind in layer.kept))
    return Detail(result_of(study, state.service.store), chosen, [records[number] for number in numbers], layers, kinds)


def dense_config(study: Study, members: Iterable[Member]) -> Mapping[str, int]:
    """Return the dense model's level of every group; of a study that did not store them, the most that a member has."""
    stored: Mapping[str, int] | None = study.context.get("dense_config")
    if stored is not None:
        further: Mapping[str, Mapping[str, int]] = study.context.get("dense_transforms", {})
        return dict(chain(stored.items(), *(levels.items() for levels in further.values())))
    most: dict[str, int] = {}
    for member in members:
        for group, level in member.levels.items():
            most[group] = max(level, most.get(group, 0))
    return most


def _layers(members: Sequence[Member], whole: Mapping[str, int]) -> list[Layer]:
    found: dict[str, dict[str, list[Kept | None]]] = {}
    in_networks = "weights" if any(member.recipe for member in members) else "channels"
    kinds = (*ENCODER_KINDS, *{f".{transform}" for member in members for transform in member.transforms})
    for group in whole:
        place, _, kind = group.rpartition(".") if group.endswith(kinds) else (group, "", in_networks)
        kept = [Kept(m.levels[group], whole[group]) if group in m.levels else None for m in members]
        found.setdefault(place or group, {})[kind] = kept
    return [Layer(name.replace(".", " "), kept) for name, kept in found.items()]
