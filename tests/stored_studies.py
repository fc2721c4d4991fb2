"""Studies put into a store by hand, in an instant: a dense model and candidates , with figures of the test's choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from objectives.measurement import Measurement, Source
from optimizer.spec import StudySpec
from search_spaces.config import Config
from studies.records import CandidateState, Origin, Outcome, Proposal, Study
from studies.store import StudyStore

N = 200  # search examples
DENSE = {"flops": 2e9, "parameters": 1e6, "size": 4e6}


def put_study(
    store: StudyStore,
    slug: str,
    *,
    candidates: Sequence[tuple[float, float]] = (),
    dense: float = 0.9,
    has_baseline: bool = True,
    more: Sequence[Measurement] = (),
    **spec: Any,
) -> Study:
    """Store a study that still runs, of (drop, FLOPs ratio) per candidate; parameters and size follow the FLOPs.

    Every candidate has `more` measurements beside.
    """
    asked = StudySpec(model="phrases-mini", task="phrases", **{"epsilon": 0.05, "trials": 10, **spec})
    study = store.create_study(slug, asked.model_dump(mode="json"))
    metric = asked.metric or "accuracy"
    if not has_baseline:
        return study
    examples = {role: {"n": N, "hash": f"{role} hash"} for role in ("calibration", "search", "verification")}
    context = {"metric": metric, "examples": examples, "conditions": {"device": "cpu", "examples": examples}}
    baseline = [figure(metric, dense), *(figure(name, value) for name, value in DENSE.items())]
    study = store.update_study(study.id, context=context, baseline=baseline)
    for number, (drop, ratio) in enumerate(candidates):
        config = Config.of({f"layer.{number}.heads": 1})
        made = store.start_candidate(study.id, Proposal(config=config, origin=Origin.LADDER))
        figures = [figure(metric, dense - drop), *(figure(name, ratio * value) for name, value in DENSE.items())]
        outcome = Outcome(
            state=CandidateState.COMPLETE, drop=drop, seen=N, measurements=(*figures, figure("drop", drop), *more)
        )
        store.finish_candidate(made.id, outcome)
    return store.study(slug)


def figure(quantity: str, value: float) -> Measurement:
    """Return a measurement without conditions."""
    return Measurement(quantity=quantity, value=value, unit="1", source=Source.COUNTED)
