"""What jobs do: run or resume a study, export a candidate, find out which labels certify members."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from api.http.kept import remove_sent
from api.places import Places
from api.sent import in_plain_names
from optimizer.certify.begin import begin
from optimizer.certify.sequence import Plan
from optimizer.certify.standing import settle
from optimizer.engine import ALONE, Engine
from optimizer.errors import InputError
from optimizer.fronts.fronts import members_of
from optimizer.fronts.result import result_of
from optimizer.handover.export import export_candidate
from optimizer.progress import Listener
from optimizer.report import write_report
from optimizer.run import resume
from optimizer.spec import StudySpec
from studies.jobs import Job
from studies.records import StudyState
from studies.standing import why_busy
from studies.store import PurchaseError, StudyBusyError, StudyStore

REPORT = "report.html"


def run_study(
    job: Job,
    store: StudyStore,
    *,
    cache_dir: Path,
    listener: Listener,
    roots: Sequence[Path] | None = None,
    engine: Engine = ALONE,
) -> None:
    """Run the job's study from its present state to its end. A refused study ends FAILED with the reason.

    Raises `StudyLostError` if the job now belongs to another worker.
    """
    epsilon = job.payload.get("epsilon")
    store = store.under(job.claim)
    study = store.study(str(job.study_id))
    try:
        if roots is not None:
            listener = Places(StudySpec.stored(study.spec), roots).watched(listener)
        with _threads_of_its_own():
            resume(
                study.slug,
                store=store,
                cache_dir=cache_dir,
                epsilon=None if epsilon is None or epsilon <= StudySpec.stored(study.spec).tolerance else epsilon,
                listener=listener,
                engine=engine,
            )
    except ValueError as error:  # refused before it was begun
        if store.study(str(job.study_id)).state is StudyState.RUNNING:
            store.update_study(job.study_id, state=StudyState.FAILED, error=str(error))
        raise


@contextmanager
def _threads_of_its_own() -> Iterator[None]:
    """Keep the number of threads that a study asks for from the next study."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def export(
    job: Job, store: StudyStore, *, cache_dir: Path, artifacts: Path, roots: Sequence[Path] | None = None
) -> dict[str, object]:
    """Write a candidate and its study's report below `artifacts`; return the names of the files in the job's folder."""
    folder = artifacts / f"job-{job.id}-{job.attempts}"  # a killed attempt leaves its own behind
    study = store.study(str(job.study_id))
    places = None if roots is None else Places(StudySpec.stored(study.spec), roots)
    written = export_candidate(
        store,
        study,
        int(job.payload["candidate"]),
        folder,
        cache_dir=cache_dir,
        as_onnx=job.payload["format"] == "onnx",
    )
    if places is not None:
        places.check()
    write_report(result_of(study, store), members_of(study, store.candidates(study.id)), folder / REPORT)
    return {"folder": folder.name, "files": [*(path.name for path in written), REPORT]}


def certify(
    job: Job,
    store: StudyStore,
    *,
    cache_dir: Path,
    artifacts: Path,
    listener: Listener,
    roots: Sequence[Path] | None = None,
) -> dict[str, object]:
    """Have the models answer fresh texts and store which labels are wanted; return the notes.

    A file that was sent is removed, unless the job will be tried again. Raises `StudyBusyError` while the study runs.
    """
    store, sent = store.under(job.claim), job.payload.get("sent")
    study = store.study(str(job.study_id))
    if why := why_busy(study):
        raise StudyBusyError(f"study {study.slug!r}: {why}")
    texts = artifacts / sent if sent else Path(job.payload["texts"])
    notes: Sequence[str] = ()
    if not _has_bought(job, texts, store):
        named = None if sent else str(texts)
        places = None if roots is None else Places(StudySpec.stored(study.spec), roots, texts=named)
        try:
            with in_plain_names(texts) if sent else nullcontext(), _threads_of_its_own():
                watched = places.watched(listener) if places else listener
                notes = begin(
                    store,
                    study,
                    job.payload["candidates"],
                    texts,
                    double=job.payload.get("double"),  # absent in jobs that an earlier version has queued
                    cache_dir=cache_dir,
                    listener=watched,
                )
        except (InputError, PurchaseError):
            remove_sent(job, artifacts)
            raise
    settle(store, study)
    remove_sent(job, artifacts)
    return {"notes": list(notes)}


def _has_bought(job: Job, texts: Path, store: StudyStore) -> bool:
    """Whether an earlier attempt stored the purchase, and was killed before the job ended."""
    purchases = store.purchases(job.study_id)
    began = job.started_at or job.created_at
    return any(Plan.of(each).file == str(texts) and each.created_at >= began for each in purchases)
