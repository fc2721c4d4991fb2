"""Export: write a stored candidate to a directory that runs elsewhere, atomically."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from optimizer.backends.names import TORCH
from optimizer.errors import MachineError
from optimizer.families.encoders.load import check_workload, load_workload
from optimizer.families.encoders.saved import CODE
from optimizer.families.networks.network import read_network
from optimizer.fronts.fronts import members_of
from optimizer.fronts.result import result_of
from optimizer.given import NOTHING, Given
from optimizer.handover.card import model_card
from optimizer.handover.exportable import exportable, refuse_filled
from optimizer.handover.loading import WEIGHTS
from optimizer.manifest import FILE, Manifest, file_hash
from optimizer.pipeline import Pipeline
from optimizer.recovery.weights import build_candidate
from optimizer.spec import StudySpec
from optimizer.unchanged import refuse_changes
from optimizer.views.member import Member
from optimizer.workload import Workload
from search_spaces.files import written_whole
from search_spaces.layouts.stored import is_code
from search_spaces.transforms.entries import write_tensors
from search_spaces.transforms.masks.layers import zeros_by_layer
from search_spaces.transforms.table import MASKS, UNITS
from studies.records import Candidate, Study
from studies.store import StudyStore


def export_candidate(
    store: StudyStore,
    study: Study,
    number: int,
    directory: Path,
    *,
    cache_dir: Path,
    as_onnx: bool = False,
    given: Given = NOTHING,
) -> tuple[Path, ...]:
    """Write a candidate's weights, tokenizer, manifest and card to a new or empty directory; return the files.

    What the study was given must be `given` again. Raises `InputError` for an unknown candidate, a directory that is
    not empty, or a model that has changed.
    """
    refuse_filled(directory)
    exportable(store.candidates(study.id), study, number)
    workload = reload(study, cache_dir=cache_dir, given=given)
    return write_candidate(store, study, number, directory, workload, cache_dir=cache_dir, as_onnx=as_onnx)


def reload(study: Study, *, cache_dir: Path, given: Given = NOTHING) -> Workload:
    """Return the workload of a stored study. Raises `InputError` where model or data have changed."""
    given.check_again(study, ("criterion",))
    spec = StudySpec.stored(study.spec)
    check_workload(spec.model_copy(update={"backends": (TORCH,)}), given)  # reading a study measures nothing
    workload = load_workload(spec, cache_dir=cache_dir, progress=lambda _text, _done, _total: None, given=given)
    refuse_changes(study, spec, workload, cache_dir)
    return workload


def write_candidate(
    store: StudyStore,
    study: Study,
    number: int,
    directory: Path,
    workload: Workload,
    *,
    cache_dir: Path,
    as_onnx: bool = False,
) -> tuple[Path, ...]:
    """Write a candidate as `export_candidate` does, with a workload that is loaded already."""
    refuse_filled(directory)
    candidate = exportable(store.candidates(study.id), study, number)
    member = next(m for m in members_of(study, store.candidates(study.id)) if m.candidate == number)
    spec = StudySpec.stored(study.spec)
    pipeline = Pipeline.of(spec, workload, cache_dir)
    small: Any = build_candidate(candidate, pipeline, cache_dir=cache_dir, study=study)
    with _whole(directory) as place:
        written = workload.family.tensors(small)
        tensors = {name: tensor.cpu().contiguous().clone() for name, tensor in written.items()}
        write_tensors(place / WEIGHTS, tensors, {"format": "pt"})
        saved = workload.family.save(small, place)
        dense_size = next(round(m.value) for m in pipeline.sizes(workload.model) if m.quantity == "size")
        if not pipeline.leaves_zeros:  # its size is that of the smallest storage
            member = member.model_copy(update={"size_bytes": (place / WEIGHTS).stat().st_size})
        sparsity = zeros_by_layer(small) if pipeline.leaves_zeros else None
        applied = None if spec.applied in ((UNITS,), (MASKS,)) else pipeline.levels_of(candidate.config)
        shapes = {
            "transforms": applied,
            "sparsity": sparsity,
            "dtype": _dtype(tensors),
            "dense_size_bytes": dense_size,
            **asdict(saved),
        }
        _describe(place, study, spec, member, store=store, candidate=candidate, shapes=shapes)
        if as_onnx:
            from optimizer.handover.onnx import write_onnx

            write_onnx(small, place, workload.family.onnx_inputs())
    return tuple(sorted(path for path in directory.rglob("*") if path.is_file()))


def _describe(
    place: Path,
    study: Study,
    spec: StudySpec,
    member: Member,
    *,
    store: StudyStore,
    candidate: Candidate,
    shapes: dict[str, Any],  # Any: fields of the manifest of several kinds
) -> None:
    result = result_of(study, store)
    if result.baseline:
        dense = result.baseline.model_copy(update={"size_bytes": shapes["dense_size_bytes"]})
        result = result.model_copy(update={"baseline": dense})
    manifest = Manifest(
        **shapes,
        config=candidate.config.as_dict(),
        form=candidate.config.form.value,
        weights_sha256=file_hash(place / WEIGHTS),
        study=study.slug,
        task=spec.task,
        metric=result.metric,
        epsilon=spec.epsilon,
        member=member,
    )
    (place / FILE).write_text(manifest.written(), encoding="utf-8")
    network, is_stock = read_network(place), (place / CODE.name).exists()
    is_own = network is not None and network.source == "module"
    card = model_card(member, result, dtype=manifest.dtype, is_stock=is_stock, is_own=is_own)
    (place / "README.md").write_text(card, encoding="utf-8")


def _dtype(tensors: Mapping[str, Tensor]) -> str:
    """Return the type that most bytes have, such as `float16`; codes and their scales do not count."""
    sizes: Counter[torch.dtype] = Counter()
    for name, tensor in tensors.items():
        if not is_code(name):
            sizes[tensor.dtype] += tensor.nbytes
    return str(max(sizes, key=sizes.__getitem__)).removeprefix("torch.")


@contextmanager
def _whole(directory: Path) -> Iterator[Path]:
    """Yield a temporary sibling that becomes `directory` at the end and is removed if anything fails."""
    try:
        with written_whole(directory) as temporary:
            temporary.mkdir()
            yield temporary
    except (OSError, SafetensorError) as error:
        raise MachineError(f"cannot write {directory}: {error}. Free some space or choose another place") from error
