"""Received: models from elsewhere are verified on a study's verification examples and measured as its members are.

Each is kept as soon as it is verified, and again with its costs, so a run that was killed repeats nothing. Models that
are measured together run in common rounds with the dense model, in every backend of the study; graphs in ONNX Runtime.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from torch import nn

from objectives.measurement import Measurement
from objectives.networks import UncountableModelError
from optimizer.analysis.collect import collected
from optimizer.analysis.inputs import image
from optimizer.analysis.measure import Failure
from optimizer.analysis.sources.source import Described, Entry
from optimizer.backends.names import ONNXRUNTIME, check_backends
from optimizer.backends.running import Backends
from optimizer.errors import InputError
from optimizer.evaluation.evaluate import flops_measurement
from optimizer.guests.admission import Admitted, admitted, digest_of
from optimizer.guests.graphs import GuestGraph
from optimizer.handover.export import reload
from optimizer.measuring.measure import measure_in_study
from optimizer.measuring.timing import DENSE, REFERENCE, Run
from optimizer.pipeline import Pipeline
from optimizer.recovery.weights import build_candidate
from optimizer.spec import StudySpec
from optimizer.tasks.images.examples import PIXELS
from optimizer.verify import Verifier
from optimizer.workload import Workload
from search_spaces.layouts.surgery import share_structure
from search_spaces.resident import trim_memory
from studies.records import Guest, Study, StudyState
from studies.store import StudyStore

TOGETHER = 8  # models in memory: a kill loses the costs of few
Said = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Received:
    """What a run did: the guests of the study that were asked for, and what was refused."""

    guests: tuple[Guest, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Models by directory, pattern or table, and the function that builds the module of files of weights."""

    named: Sequence[str] = ()
    manifest: Path | None = None
    build: Callable[[], nn.Module] | None = None

    def entries(self, described: Described) -> list[Entry]:
        """Return the models, none of them opened. Raises `InputError` where there is none."""
        if not (self.named or self.manifest):
            raise InputError("models", "name a directory or a pattern, or give a table as `manifest`")
        return collected(self.named, described, table=self.manifest, parent=None, find_study=_no_study)


def receive(asked: Asked, study: Study, store: StudyStore, *, cache_dir: Path, said: Said = lambda _: None) -> Received:
    """Put models beside the front of a finished study; those that are there with equal files are not run again.

    Raises `InputError` where the study is not finished, its model or data have changed, or no model could be received.
    """
    if study.state is not StudyState.COMPLETE or not study.baseline:
        raise InputError("into", f"study {study.slug!r} is {study.state}; let it finish first")
    digests = {entry.place: digest_of(Path(entry.place)) for entry in asked.entries(Described(build=asked.build))}
    known = {guest.digest: guest for guest in study.guests}
    failures = list[Failure]()
    if any(not _is_measured(known.get(digest)) for digest in digests.values()):
        house = House(study, store, reload(study, cache_dir=cache_dir), cache_dir, said)
        entries = asked.entries(house.described(asked.build))
        waiting = [entry for entry in entries if not _is_measured(known.get(digests[entry.place]))]
        for some in (waiting[at : at + TOGETHER] for at in range(0, len(waiting), TOGETHER)):
            failures += house.receive(some, digests)
            trim_memory()
    named = {*digests.values()}
    guests = tuple(each for each in store.study(str(study.id)).guests if each.digest in named)
    if not guests:
        raise InputError("models", f"none could be put beside {study.slug!r}; {failures[0].model}: {failures[0].why}")
    return Received(guests=guests, failures=tuple(failures))


def _no_study(name: str, _described: Described) -> Sequence[Entry] | None:
    raise InputError(
        "models",
        f"{name!r} is no file, no directory and no pattern that matches; members of a study are exported first",
    )


def _is_measured(guest: Guest | None) -> bool:
    return guest is not None and bool(guest.measurements)


class House:
    """A study that receives models, with its dense model loaded."""

    def __init__(self, study: Study, store: StudyStore, workload: Workload, cache_dir: Path, said: Said) -> None:
        self._study, self._store, self._workload, self._said = study, store, workload, said
        self._spec = StudySpec.stored(study.spec)
        check_backends(self._spec)
        self._pipeline = Pipeline.of(self._spec, workload, cache_dir)
        self._backends, self._cache_dir = Backends(self._spec, workload, cache_dir), cache_dir

    def described(self, build: Callable[[], nn.Module] | None) -> Described:
        """Return what is known of models that say too little: they take what the study's model takes."""
        workload = self._workload
        request = workload.family.request()(1)
        inputs = image(tuple(request[PIXELS].shape[1:])) if PIXELS in request else None
        return Described(inputs=inputs, length=workload.family.requests.length, build=build, device=workload.device)

    def receive(self, entries: Sequence[Entry], digests: dict[str, str]) -> list[Failure]:
        """Verify and measure some models together; return what was refused, and why."""
        failures, received = list[Failure](), list[tuple[Admitted, Guest]]()
        for entry in entries:
            try:
                here = admitted(entry, digests[entry.place], self._workload)
                if isinstance(here.model, GuestGraph):
                    _ = self._dense_graph  # refused here where there is none to compare with
                received.append((here, self._verified(here)))
            except (InputError, UncountableModelError, MemoryError) as error:
                why = str(error).removeprefix("models: ") or "it does not fit into memory"
                failures.append(Failure(entry.name, None, why))
                self._said(str(failures[-1]))
        if received:
            self._measure(received)
        return failures

    def _verified(self, model: Admitted) -> Guest:
        """Return a model with its verification, which is kept; one that was verified before a kill is not run again."""
        known = next((each for each in self._study.guests if each.digest == model.digest), None)
        if known is not None:
            return known
        entry = model.entry
        guest = Guest(
            name=entry.name,
            place=entry.place,
            form=entry.source,
            digest=model.digest,
            verification=replace(self._verifier.alone(model.model), predictions=None),
        )
        if math.isnan(guest.verification.drop):
            raise InputError(
                "models", f"the {self._workload.metric.name} of {entry.name} is not a number; leave it out"
            )
        self._store.put_guest(self._study.id, guest)
        self._said(f"{entry.name}: drop {guest.verification.drop:.4f} on {guest.verification.n} verification examples")
        return guest

    @cached_property
    def _verifier(self) -> Verifier:
        build = partial(build_candidate, pipeline=self._pipeline, cache_dir=self._cache_dir, study=self._study)
        return Verifier(self._study, self._store, self._spec, self._pipeline, build, self._backends)

    @cached_property
    def _dense_graph(self) -> nn.Module:
        """The dense model in ONNX Runtime, to which graphs compare. Raises `InputError` where it does not run there."""
        return self._backends.run_in(ONNXRUNTIME, self._workload.model)

    def _sizes(self, model: nn.Module) -> tuple[Measurement, ...]:
        return model.sizes if isinstance(model, GuestGraph) else self._pipeline.sizes(model)

    def _measure(self, received: Sequence[tuple[Admitted, Guest]]) -> None:
        family = self._workload.family
        models: dict[Hashable, nn.Module] = {each.digest: each.model for each, _ in received}
        taken = measure_in_study(
            dict(self._runs(models)),
            self._spec,
            family,
            built=models,
            sizes=self._sizes,
            progress=lambda _done, _steps: None,
        )
        for each, guest in received:
            counted = each.model.flops if isinstance(each.model, GuestGraph) else family.flops(each.model)
            flops = flops_measurement(counted)
            self._store.put_guest(self._study.id, replace(guest, measurements=(flops, *taken[each.digest])))

    def _runs(self, models: dict[Hashable, nn.Module]) -> Iterator[tuple[Run, nn.Module]]:
        """Yield the dense model and every guest in each backend of the study that runs it, a graph in its own."""
        graphs = {key: model.session for key, model in models.items() if isinstance(model, GuestGraph)}
        yield REFERENCE, share_structure(self._workload.model)
        dense = dict(self._backends.dense_runs())
        if graphs:
            dense[ONNXRUNTIME] = self._dense_graph
        for name, run in dense.items():
            yield Run(DENSE, name), run
        for key, model in models.items():
            runs = {ONNXRUNTIME: graphs[key]} if key in graphs else self._backends.runs(model)
            for name, run in runs.items():
                yield Run(key, name), run
        for refusal in self._backends.refusals:
            self._said(refusal)
