"""Transfer: a search that begins with what another study of the same model has found.

Configs, drops on the search examples and divergences are taken, because they are the same at another ε, on another
device or for other costs. Verified drops, verdicts and the verified front are not: members were chosen by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import moocore
import numpy as np

from optimizer.backends.names import INTEGER_SCALES
from optimizer.backends.running import answers_in, conditions_of
from optimizer.errors import InputError
from optimizer.evaluation.rivals import ruled_out_by, was_ruled_out
from optimizer.given import Given
from optimizer.preparation.prepare import Prepared
from optimizer.search.space import SearchSpace
from optimizer.selection.feasible import is_undecided
from optimizer.spec import TAKEN_OF, StudySpec
from optimizer.workload import Workload
from studies.records import Candidate, CandidateState, Origin, Outcome, Proposal, Study
from studies.store import StudyNotFoundError, StudyStore

OWN_SHARE = 1 / TAKEN_OF  # of the candidates: what the new study evaluates itself at least
SAME_ROLES = ("weights", "calibration", "search")
SAME_FIELDS = ("structure", "applied", "criterion", "reconstruct", "keep", "round_to", "max_length")


def check_source(
    spec: StudySpec, workload: Workload, *, fingerprints: Mapping[str, str], given: Given, store: StudyStore
) -> None:
    """Raise `InputError` unless the study that `spec.start_from` names has outcomes that hold in this one."""
    if spec.start_from is None:
        return
    try:
        source = store.study(spec.start_from)
    except StudyNotFoundError as error:
        # without the store's "did you mean": a worker stores this, and other owners' names are not the reader's
        raise InputError("start_from", f"none is called {spec.start_from!r}") from error
    _refuse_other(source, spec, workload, fingerprints)
    if given.metric is not None or given.criterion is not None:
        raise InputError("start_from", "cannot tell whether your own metric or criterion was the same; leave it out")
    if not decided(source, store, spec.tolerance):
        raise InputError("start_from", f"{source.slug!r} has no evaluated candidate yet")


def transfer(name: str, study: Study, store: StudyStore, prepared: Prepared, spec: StudySpec) -> str:
    """Store the candidates that a study takes from the one called `name` and return the note that says so.

    A run that was killed meanwhile takes the rest; once the study has a candidate of its own, nothing is taken.
    """
    made = store.candidates(study.id)
    source = _older(name, study, store)
    if source and all(c.proposal.origin is Origin.TRANSFER and not c.shortlisted for c in made):
        most = int(spec.trials * (1 - OWN_SHARE))
        _keep(transferred(prepared, decided(source, store, spec.tolerance), most), study, store)
        _keep(still_ruled_out(prepared, store.candidates(source.id), store.candidates(study.id), most), study, store)
    taken = sum(c.proposal.origin is Origin.TRANSFER for c in store.candidates(study.id))
    return f"candidates taken from {name!r} with their drops on the search examples: {taken}"


def _keep(found: Sequence[tuple[Proposal, Outcome]], study: Study, store: StudyStore) -> None:
    known = {candidate.config: candidate for candidate in store.candidates(study.id)}
    for proposal, outcome in found:
        candidate = known.get(proposal.config) or store.start_candidate(study.id, proposal)
        if candidate.state is CandidateState.RUNNING:
            store.finish_candidate(candidate.id, outcome)


def _older(name: str, study: Study, store: StudyStore) -> Study | None:
    """Return the study called `name`; None where it was deleted, even if one younger than `study` has its name."""
    try:
        found = store.study(name)
    except StudyNotFoundError:
        return None
    return found if found.id < study.id else None


def _refuse_other(source: Study, spec: StudySpec, workload: Workload, fingerprints: Mapping[str, str]) -> None:
    known, theirs = source.context.get("fingerprints", {}), StudySpec.stored(source.spec)
    others = [role for role in SAME_ROLES if known.get(role) != fingerprints.get(role)]
    others += [name for name in SAME_FIELDS if getattr(theirs, name) != getattr(spec, name)]
    others += ["backends"] if answers_in(theirs) != answers_in(spec) else []
    known_scales = source.context.get("conditions", {}).get(INTEGER_SCALES)
    others += [INTEGER_SCALES] if known_scales != conditions_of(spec).get(INTEGER_SCALES) else []
    others += ["metric"] if source.context.get("metric") != workload.metric.name else []
    if others:
        raise InputError(
            "start_from", f"{source.slug!r} differs in {' and '.join(others)}; its outcomes do not hold here"
        )


def decided(source: Study, store: StudyStore, epsilon: float) -> list[Candidate]:
    """Return the candidates of a study's search whose outcome is the same at another ε and beside other candidates."""
    own = StudySpec.stored(source.spec).tolerance
    return [
        c
        for c in store.candidates(source.id)
        if c.outcome is not None
        and c.outcome.drop is not None
        and c.proposal.origin is not Origin.RECOVER
        and not is_undecided(c, epsilon, own)
        and not was_ruled_out(c)
    ]


def transferred(prepared: Prepared, candidates: Sequence[Candidate], most: int) -> list[tuple[Proposal, Outcome]]:
    """Return proposals and outcomes of `most` of another study's candidates, best first.

    Best are those of the first front of drop and cost, then those of the second, and so on. Costs are counted anew.
    """
    fitting = [c for c in candidates if prepared.space.within_limits(c.config)]
    if not fitting:
        return []
    ranks = moocore.pareto_rank(np.array([_losses(c, prepared.space) for c in fitting]))
    order = np.lexsort(([c.number for c in fitting], ranks))
    return [_taken(fitting[index], prepared) for index in order[:most]]


def still_ruled_out(
    prepared: Prepared, theirs: Sequence[Candidate], ours: Sequence[Candidate], most: int
) -> list[tuple[Proposal, Outcome]]:
    """Return those that a rival stopped in another study and that one of `ours` rules out, up to `most` in all."""
    found: list[tuple[Proposal, Outcome]] = []
    for candidate in filter(was_ruled_out, theirs):
        if len(ours) + len(found) < most and prepared.space.within_limits(candidate.config):
            proposal, outcome = _taken(candidate, prepared)
            rival = prepared.evaluator.rival(outcome.measurements, ours)
            found += [] if rival is None else [(proposal, replace(outcome, reason=ruled_out_by(rival)))]
    return found


def _losses(candidate: Candidate, space: SearchSpace) -> tuple[float, float]:
    outcome = candidate.outcome
    if outcome is None or outcome.drop is None:
        raise ValueError(f"candidate {candidate.number} has no drop")
    return outcome.drop, space.costs[space.yardstick].ratio(candidate.config)


def _taken(candidate: Candidate, prepared: Prepared) -> tuple[Proposal, Outcome]:
    outcome = candidate.outcome
    if outcome is None:
        raise ValueError(f"candidate {candidate.number} has no outcome")
    config, metric = candidate.config, prepared.workload.metric.name
    proposal = Proposal(config=config, origin=Origin.TRANSFER, coordinates=candidate.proposal.coordinates)
    kept = [each for each in candidate.measurements if each.quantity in (metric, "drop", "divergence")]
    return proposal, replace(outcome, measurements=(*kept, *prepared.evaluator.costs_of(config)), seconds=0.0)
