"""Run a study from its spec to its verified front. Command line, HTTP and Python call only `optimize` and `resume`.

workload   load model and task, refuse a broken baseline
prepare    groups, rankings, sensitivities, cost tables
search     ladder, sampler, refinement, each candidate evaluated and stored
verify     the shortlist, fixed first, then verified once and measured
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from objectives.device import describe_device
from objectives.energy.process import ProcessAccount, accounted
from objectives.energy.spent import NONE, Spent
from objectives.guard import on_threads
from objectives.measurement import Measurement, Source
from optimizer.backends.running import conditions_of, notes_of
from optimizer.engine import ALONE, Engine
from optimizer.errors import InputError, listed
from optimizer.evaluation.evaluate import PROPOSED, UNITS
from optimizer.executors.workplace import HERE, Workplace, words_of, workplace
from optimizer.families.encoders.load import check_workload
from optimizer.families.names import with_absolute_paths
from optimizer.fronts.result import result_of
from optimizer.fronts.views import Measured
from optimizer.given import NOTHING, Given
from optimizer.interrupts import interrupts_end
from optimizer.latency.proposed import constants_of
from optimizer.loaded import loaded, notes_of_choice
from optimizer.loop.searching import Searching
from optimizer.loop.transfer import check_source, transfer
from optimizer.loop.worth import Ratios
from optimizer.names import check_larger, create_study, free_slug
from optimizer.precision import name_of, native_dtype
from optimizer.preparation.prepare import Prepared, prepare
from optimizer.progress import STUDY, AbandonedError, CancelledError, Event, Listener, Stages, ignore
from optimizer.recovery.halving import planned
from optimizer.recovery.recoveries import RECOVERIES
from optimizer.recovery.recovery import Recovery
from optimizer.selection.certification import Certifier, stored_list, verification_alpha
from optimizer.selection.feasible import is_feasible, is_undecided
from optimizer.selection.power import what_can_be_concluded
from optimizer.selection.shrunken import store_shrunken
from optimizer.spec import StudySpec
from optimizer.training.history import total
from optimizer.unchanged import CONSTANTS, fingerprints, refuse_changes, refuse_other_metric
from optimizer.verify import Verifier
from optimizer.views.member import RunResult
from optimizer.views.spent import with_spent
from optimizer.views.trainings import whole_epochs
from optimizer.workload import Workload
from search_spaces.transforms.units.damping import strained_in
from studies.records import Candidate, Origin, Study, StudyState
from studies.store import StoreUnavailableError, StoreUnusableError, StudyLostError, StudyStore

TRAIN = "train"  # the stage in which a dense model is trained, before its study exists
NOT_ITS_FAULT = (AbandonedError, StudyLostError, StoreUnavailableError, StoreUnusableError)


def optimize(
    spec: StudySpec,
    *,
    store: StudyStore,
    cache_dir: Path,
    study: str | None = None,
    listener: Listener = ignore,
    given: Given = NOTHING,
    engine: Engine = ALONE,
) -> RunResult:
    """Run a new study and return its result; without `study`, a name is generated.

    What is `given` takes the place of what the spec names; its `model` and `task` are then only labels. Raises
    `InputError` for invalid input, before anything is stored; `StudyExistsError` for a taken name. An interrupt leaves
    the study INTERRUPTED; `resume` continues it, with any `engine`.
    """
    given.check(spec)
    check_workload(spec, given)
    spec = with_absolute_paths(spec, given.names)
    slug = None if study is None else free_slug(study, store)
    started = time.monotonic()
    with workplace(engine, spec, cache_dir) as place, on_threads(spec.threads):
        found = loaded(spec, cache_dir=cache_dir, listener=listener, given=given)
        spec, workload = found.spec, found.workload
        place.check(workload)
        check_source(spec, workload, fingerprints=fingerprints(workload), given=given, store=store)
        created = create_study(spec, slug, store)
        store = store.under(created.claim)
        listener(Event(stage=STUDY, text=created.slug))
        loading = time.monotonic() - started - _trained_now(workload).seconds
        store.update_study(created.id, add_seconds={"load": max(0.0, loading)})  # a killed run may have trained before
        created = found.kept_by(created, store)
        return _run(created, spec, workload, store, cache_dir, listener, given, place)


def resume(
    name: str,
    *,
    store: StudyStore,
    cache_dir: Path,
    epsilon: float | None = None,
    listener: Listener = ignore,
    given: Given = NOTHING,
    engine: Engine = ALONE,
) -> RunResult:
    """Resume a study where it stopped; stored results are reused.

    What `optimize` was given must be `given` again, and be the same.
    A larger `epsilon` replaces the study's own: stopped candidates that might be feasible at it are finished, and a
    new shortlist is chosen; verified members stay verified.
    Raises `StudyNotFoundError`, `StudyBusyError`, `InputError` when model or data have changed, and
    `StudyLostError` when another process has taken over the study.
    """
    found = store.study(name)
    spec = StudySpec.stored(found.spec)
    if epsilon is not None:
        check_larger(epsilon, spec)
    elif found.state is StudyState.COMPLETE:
        return result_of(found, store)
    given.check_again(found)
    check_workload(spec, given)
    with workplace(engine, spec, cache_dir) as place, on_threads(spec.threads):
        now = loaded(spec, cache_dir=cache_dir, listener=listener, given=given)
        spec, workload = now.spec, now.workload
        place.check(workload)
        refuse_changes(found, spec, workload, cache_dir)
        refuse_other_metric(found, workload)
        claimed = store.claim_study(found.id)
        store = store.under(claimed.claim)
        claimed = now.kept_by(claimed, store)
        if spec.start_from is not None and not store.candidates(found.id):  # it was not checked when it was queued
            with _failed_if_refused(claimed, store):
                check_source(spec, workload, fingerprints=fingerprints(workload), given=given, store=store)
        if epsilon is not None:
            spec, claimed = _widen(claimed, spec, epsilon, store)
        return _run(claimed, spec, workload, store, cache_dir, listener, given, place)


@contextmanager
def _failed_if_refused(study: Study, store: StudyStore) -> Iterator[None]:
    """Store a refusal as the reason why the study failed: tried again, it would be refused again."""
    try:
        yield
    except InputError as error:
        store.update_study(study.id, state=StudyState.FAILED, error=str(error))
        raise


def _widen(study: Study, spec: StudySpec, epsilon: float, store: StudyStore) -> tuple[StudySpec, Study]:
    wider = spec.model_copy(update={"epsilon": epsilon})
    again = [c.id for c in store.candidates(study.id) if is_undecided(c, epsilon, spec.tolerance)]
    widened = store.widen_study(study.id, wider.model_dump(mode="json"), again)
    store.shortlist(study.id, [])
    return wider, widened


def _run(
    study: Study,
    spec: StudySpec,
    workload: Workload,
    store: StudyStore,
    cache_dir: Path,
    listener: Listener,
    given: Given,
    place: Workplace,
) -> RunResult:
    try:
        with interrupts_end(listener) as tell:
            StudyRun(study, spec, store, cache_dir, tell, given, place).run(workload)
    except KeyboardInterrupt:
        store.update_study(study.id, state=StudyState.INTERRUPTED)
        raise
    except CancelledError:
        store.update_study(study.id, state=StudyState.CANCELLED)
        raise
    except NOT_ITS_FAULT:
        raise
    except Exception as error:
        store.update_study(study.id, state=StudyState.FAILED, error=f"{type(error).__name__}: {error}")
        raise
    finished = store.update_study(study.id, state=StudyState.COMPLETE)
    return result_of(finished, store)


def _trained_now(workload: Workload) -> Spent:
    """Return what this run has spent on training the dense model, nothing where it did not."""
    trained = workload.trained
    return total(trained.history) if trained and trained.is_new else NONE


class StudyRun:
    """One run of one study: the four stages in order."""

    def __init__(
        self,
        study: Study,
        spec: StudySpec,
        store: StudyStore,
        cache_dir: Path,
        listener: Listener,
        given: Given = NOTHING,
        place: Workplace = HERE,
    ) -> None:
        self._study, self._spec, self._store, self._cache_dir = study, spec, store, cache_dir
        self._place = place
        self._given, self._sampler = given.loaded, given.sampler or spec.sampler
        self._stages = Stages(listener, self._record_stage)
        self._account: ProcessAccount | None = None

    def run(self, workload: Workload) -> None:
        """Run the remaining stages of the study, and keep what each of them spends."""
        with accounted(workload.device) as self._account:
            self._run(workload)

    def _record_stage(self, seconds: dict[str, float]) -> None:
        """Store the seconds of a stage, which comes first, and of its parts, and what all of it has spent."""
        spent: dict[str, Any] = {}
        if self._account is not None and seconds:
            now = self._store.study(str(self._study.id))
            spent = with_spent(now, next(iter(seconds)), self._account.take())
        self._store.update_study(self._study.id, add_seconds=seconds, context=spent or None)

    def _run(self, workload: Workload) -> None:
        self._record_workload(workload)
        prepared = prepare(self._spec, workload, cache_dir=self._cache_dir, stages=self._stages)
        self._record_baseline(prepared)
        self._record_strain(prepared)
        for note in (*prepared.notes, *words_of(self._place.record)):
            self._note(note)
        if self._spec.recover == "distill":
            self._note(planned(self._spec.recover_epochs))
        if self._spec.start_from is not None:
            self._note(transfer(self._spec.start_from, self._study, self._store, prepared, self._spec))
        Searching(self._study, self._store, self._spec, prepared, self._sampler, self._stages, self._place).run()
        self._verify(prepared)

    def _record_workload(self, workload: Workload) -> None:
        constants, trained = constants_of(self._spec, workload.device), _trained_now(workload)
        self._store.update_study(
            self._study.id,
            add_seconds={TRAIN: trained.seconds} if trained.seconds else None,
            context={
                "fingerprints": fingerprints(workload),
                "given": list(self._given),
                "metric": workload.metric.name,
                "kind": workload.metric.kind,
                "examples": workload.examples_record,
                "notes": [*workload.notes, *notes_of_choice(self._study.context), *notes_of(self._spec)],
                "conditions": self._conditions(workload),
                "workers": dict(self._place.record),
                **({} if constants is None else {CONSTANTS: constants}),
                **(with_spent(self._study, TRAIN, trained) if trained.seconds else {}),
            },
        )

    def _conditions(self, workload: Workload) -> dict[str, object]:
        request = workload.family.conditions()
        cut = {"max_length": self._spec.max_length} if "sequence_length" in request else {}
        return {
            **describe_device(workload.device),
            "batch_sizes": list(self._spec.batch_sizes),
            **conditions_of(self._spec),
            **request,
            **cut,
            "structure": self._spec.structure,
            "transforms": list(self._spec.applied),
            "wait_policy": os.environ.get("OMP_WAIT_POLICY", "the library's own").lower(),
            "dtype": name_of(next(workload.model.parameters()).dtype),
            **self._of_training(workload),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "examples": workload.examples_record,
        }

    def _of_training(self, workload: Workload) -> dict[str, object]:
        is_recovered = self._spec.recover != "none"
        return {"training_precision": name_of(native_dtype(workload.device))} if is_recovered else {}

    def _record_baseline(self, prepared: Prepared) -> None:
        metric, space = prepared.workload.metric, prepared.space
        n = len(prepared.workload.search.labels)
        value = prepared.evaluator.dense_value
        quality = Measurement(quantity=metric.name, value=value, unit="1", source=Source.MEASURED, n=n)
        costs = [
            Measurement(quantity=name, value=cost.dense, unit=UNITS[name], source=Source.COUNTED)
            for name, cost in space.costs.items()
            if name not in PROPOSED
        ]
        costs += prepared.evaluator.counted(space.dense, prepared.workload.model)
        trained = prepared.workload.trained
        costs += whole_epochs(trained.history) if trained and trained.history else []
        known = {quality.quantity, *(cost.quantity for cost in costs)}
        kept = [m for m in self._study.baseline if m.quantity not in known]
        self._store.update_study(self._study.id, baseline=[quality, *costs, *kept])
        power = what_can_be_concluded(len(prepared.workload.verification.labels), self._spec, metric)
        dense = {"dense_config": space.dense.as_dict(), "dense_transforms": space.dense.transforms}
        self._store.update_study(self._study.id, context={"power": power, **dense, **prepared.wanted.in_context})
        self._stages.tell(Event(stage="power", text=power))

    def _record_strain(self, prepared: Prepared) -> None:
        """Note the layers whose weights were solved with more damping."""
        strained = [name for step in prepared.pipeline.steps for name in strained_in(step.source.folder)]
        if strained:
            self._note(
                f"the calibration examples are too few or too similar for {listed(strained)}: their weights are solved "
                "with more damping and stay closer to the dense weights. Raise `calibration_examples`"
            )

    def _note(self, text: str) -> None:
        notes = self._store.study(str(self._study.id)).context["notes"]
        self._store.update_study(self._study.id, context={"notes": [*notes, text]})
        self._stages.tell(Event(stage="note", text=text))

    def _is_feasible(self, candidate: Candidate) -> bool:
        return is_feasible(candidate, self._spec.tolerance)

    def _verify(self, prepared: Prepared) -> None:
        recovery = Recovery(self._study, self._store, self._spec, prepared, self._cache_dir, self._place)
        shortlist = [c for c in self._store.candidates(self._study.id) if c.shortlisted]
        if not shortlist:
            shortlist = self._choose(prepared)
            if self._spec.recover != "none":
                with self._stages.stage("recover") as report:
                    shortlist = RECOVERIES[self._spec.recover](recovery, shortlist, report)
            self._fix_list(prepared, shortlist)
            self._store.shortlist(self._study.id, [candidate.id for candidate in shortlist])
        verifier = Verifier(self._study, self._store, self._spec, prepared.pipeline, recovery.build, prepared.backends)
        with self._stages.stage("verify") as report:
            verifier.verify(shortlist, report)
            store_shrunken(self._store, self._study.id, shortlist, cost_of=prepared.price)
        with self._stages.stage("measure") as report:
            disturbed = verifier.measure(shortlist, report)
        for note in (*prepared.backends.refusals, *disturbed):
            self._note(note)

    def _fix_list(self, prepared: Prepared, shortlist: list[Candidate]) -> None:
        """Store the certification list, unless members were verified without one."""
        known = stored_list(self._store.study(str(self._study.id)))
        if known is None and any(c.verification for c in self._store.candidates(self._study.id)):
            return
        listed = self._certifier(prepared).with_shortlist(known, shortlist)
        self._store.update_study(self._study.id, context=listed.in_context())

    def _certifier(self, prepared: Prepared) -> Certifier:
        ratios, first = Ratios(prepared.space.costs, Measured(self._baseline)), self._spec.objectives[0]
        return Certifier(
            candidates=self._store.candidates(self._study.id),
            cost_of=partial(ratios.of, name=first),
            epsilon=self._spec.epsilon,
            examples=len(prepared.workload.verification),
            alpha=verification_alpha(self._spec, prepared.workload.metric),
        )

    @property
    def _baseline(self) -> Sequence[Measurement]:
        return self._store.study(str(self._study.id)).baseline

    def _choose(self, prepared: Prepared) -> list[Candidate]:
        """Choose among the candidates of the search: what an interrupted recovery made of it is not seen.

        Beside those that are best to certify they are spread over the costs that the study names, of which FLOPs count
        on the space's yardstick.
        """
        candidates = self._store.candidates(self._study.id)
        ratios, yardstick = Ratios(prepared.space.costs, Measured(self._baseline)), prepared.space.yardstick
        names = dict.fromkeys(yardstick if name == "flops" else name for name in self._spec.objectives)
        searched = [candidate for candidate in candidates if candidate.proposal.origin is not Origin.RECOVER]
        return replace(self._certifier(prepared), candidates=searched).shortlist(
            searched,
            is_feasible=self._is_feasible,
            costs_of=[partial(ratios.of, name=name) for name in names],
        )
