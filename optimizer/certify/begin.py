"""Begin: both models answer fresh texts, and what will be asked is fixed and stored before the first label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from objectives.guard import on_threads
from optimizer.backends.running import Backends
from optimizer.certify.choice import refuse_unbuyable, rule_of, sequence_of
from optimizer.certify.sequence import Plan
from optimizer.fronts.bought import STAGE, Double
from optimizer.given import NOTHING, Given
from optimizer.handover.export import reload
from optimizer.pipeline import Pipeline
from optimizer.predict import predict
from optimizer.progress import Event, Listener, ignore
from optimizer.recovery.weights import build_candidate
from optimizer.spec import StudySpec
from optimizer.tasks.fresh import KEY_SIZE, Fresh
from optimizer.workload import Workload
from search_spaces.resident import trim_memory
from studies.purchases import Disputed, Purchase
from studies.records import Candidate, Study
from studies.store import StudyStore

Answers = NDArray[np.int64]  # `(n,)` classes


def begin(
    store: StudyStore,
    study: Study,
    chosen: Sequence[int],
    place: Path,
    *,
    double: Double | None = None,
    cache_dir: Path,
    listener: Listener = ignore,
    given: Given = NOTHING,
) -> tuple[str, ...]:
    """Run the dense model and the members on the fresh texts of a file, and store the purchase; return the notes.

    `double` says which labels are asked twice; a study's first purchase fixes it, a tenth unless it says otherwise.
    Nothing is stored before all models have answered. Raises `InputError` for members, a study or a file that labels
    cannot be bought for, `PurchaseError` where another process has begun one meanwhile.
    """
    spec = StudySpec.stored(study.spec)
    refuse_unbuyable(study, spec)
    purchases, candidates = store.purchases(study.id), store.candidates(study.id)
    members, rule = sequence_of(study, candidates, purchases, chosen), rule_of(purchases, double)
    with on_threads(spec.threads):
        workload = reload(study, cache_dir=cache_dir, given=given)
        fresh = workload.fresh(place, _known(purchases))
        order = _order(fresh)
        tell = _told(listener, f"{len(order):,} {fresh.what}", len(members) + 1)
        tell(0, "the dense model")
        answers, backends = [_answers(workload.model, workload, fresh)], Backends(spec, workload, cache_dir)
        for done, candidate in enumerate((candidates[number] for number in members), start=1):
            tell(done, f"#{candidate.number}")
            model = _model(candidate, study, spec, workload, cache_dir)
            answers.append(_answers(backends.answering(model), workload, fresh))
            trim_memory()
    plan = Plan(
        epsilon=spec.tolerance,
        alpha=spec.label_error,
        members=members,
        texts=len(order),
        classes=fresh.classes,
        columns=fresh.columns,
        file=str(place),
        what=fresh.what,
        rule=rule,
        seed=_seed(fresh),
    )
    texts = disputed(np.stack(answers)[:, order], [fresh.contents[place] for place in order], plan)
    store.add_purchase(
        study.id,
        len(purchases) + 1,
        plan=asdict(plan),
        keys=b"".join(fresh.keys[place] for place in order),
        texts=texts,
    )
    return fresh.notes


def _told(listener: Listener, what: str, total: int) -> Callable[[int, str], None]:
    """Return a function that says which model answers so many texts or images now, after `done` others."""
    return lambda done, who: listener(Event(stage=STAGE, done=done, total=total, text=f"{who} answers {what}"))


def disputed(answers: Answers, contents: Sequence[tuple[str, ...]], plan: Plan) -> list[Disputed]:
    """Return the texts on which a member disagrees, of `answers` `(1 + members, n)`, the dense model's first."""
    places = np.flatnonzero((answers[1:] != answers[0]).any(axis=0))
    closely = np.arange(len(places)) < plan.checked_closely
    share = np.where(closely, *plan.shares)
    is_checked = np.random.default_rng(plan.seed).random(len(places)) < share
    return [
        Disputed(
            place=int(place),
            content=contents[int(place)],
            dense=int(answers[0, place]),
            answers=tuple(answers[1:, place].tolist()),
            is_checked=bool(twice),
        )
        for place, twice in zip(places, is_checked, strict=True)
    ]


def _order(fresh: Fresh) -> NDArray[np.intp]:
    """Return the texts in random order, the same for the same texts: files may be sorted by what decides labels."""
    return np.random.default_rng([_seed(fresh), 1]).permutation(len(fresh.keys))


def _seed(fresh: Fresh) -> int:
    return int.from_bytes(sha256(b"".join(sorted(fresh.keys))).digest()[:6])


def _known(purchases: Sequence[Purchase]) -> set[bytes]:
    keys = b"".join(purchase.keys for purchase in purchases)
    return {keys[start : start + KEY_SIZE] for start in range(0, len(keys), KEY_SIZE)}


def _model(candidate: Candidate, study: Study, spec: StudySpec, workload: Workload, cache_dir: Path) -> nn.Module:
    return build_candidate(candidate, Pipeline.of(spec, workload, cache_dir), cache_dir=cache_dir, study=study)


def _answers(model: Any, workload: Workload, fresh: Fresh) -> Answers:  # Any: as in the workload
    return workload.task.predictions(predict(model, fresh.examples, workload.task), fresh.examples)
