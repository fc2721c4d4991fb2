"""Small models that are trained on the spot, so that a study of any kind of task has something to lose."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from tiny_checkpoints import tokenizer
from tiny_encoders import BERT_LIKE
from transformers import AutoTokenizer, BertConfig

from optimizer.handover.export import export_candidate
from optimizer.handover.loading import load_pruned
from optimizer.run import optimize
from optimizer.spec import StudySpec
from optimizer.tasks.task import Task
from optimizer.tasks.texts.examples import Examples
from optimizer.training.finetune import FinetuneSettings, finetune
from optimizer.views.member import RunResult
from studies.opening import open_store
from studies.store import StudyStore

Finished = tuple[Path, StudyStore, RunResult]  # the root of a study, its store and its result
SHORT: dict[str, Any] = {
    "epsilon": 0.2,
    "trials": 2,
    "batch_sizes": (1,),
    "measure_seconds": 0.02,
    "calibration_examples": 64,
    "progress": False,
}  # of `optimize` in Python
SETTINGS = FinetuneSettings(learning_rate=3e-3, batch_size=32, epochs=10)


def train(
    model_class: Any, examples: Examples, task: Task, place: Path, labels: tuple[str, ...], **config: Any
) -> None:
    """Train a tiny BERT of a class of transformers and save it with its tokenizer."""
    torch.manual_seed(0)
    names = dict(enumerate(labels))
    shape = {name: value for name, value in BERT_LIKE.items() if name != "num_labels"}
    model = model_class(
        BertConfig(
            **shape,
            **config,
            initializer_range=0.1,
            id2label=names,
            label2id={name: index for index, name in names.items()},
        )
    )
    finetune(model, examples, held_out=None, task=task, settings=SETTINGS, progress=lambda _done, _total: None)
    model.save_pretrained(place)
    tokenizer().save_pretrained(place)


def study(root: Path, name: str = "small", **spec: Any) -> tuple[StudyStore, RunResult]:
    """Run a short study of `root`/model on `root`/data."""
    places = {"model": str(root / "model"), "data": str(root / "data"), "task": "mine"}
    short = {"trials": 4, "batch_sizes": (1,), "measure_seconds": 0.05, "calibration_examples": 64}
    store = open_store(f"sqlite:///{root}/s.sqlite")
    asked = StudySpec.model_validate({**places, **short, **spec})
    return store, optimize(asked, store=store, cache_dir=root / "cache", study=name)


def check_front(result: RunResult, metric: str, *, trivial: float, examples: int) -> None:
    """Assert that the study had something to lose, and that every member is verified on all `examples`."""
    assert result.metric == metric
    assert result.baseline is not None
    assert result.baseline.accuracy > trivial + 0.15
    assert min(member.flops_ratio for member in result.front) < 0.7
    assert {member.verification and member.verification.n for member in result.front} == {examples}


class Exported(NamedTuple):
    """A member that was exported and loaded again: the metric that was verified, its tokenizer, its model card."""

    verified: float
    model: Any  # Any: transformers is untyped, here and below
    encode: Any
    card: str


def export_smallest(finished: Finished, place: Path, *, as_onnx: bool = False) -> Exported:
    """Export the member of the fewest FLOPs to `place`, and load it from there."""
    root, store, result = finished
    member = min(result.front, key=lambda member: member.flops_ratio)
    export_candidate(store, store.study("small"), member.candidate, place, cache_dir=root / "cache", as_onnx=as_onnx)
    assert member.verification is not None
    card = (place / "README.md").read_text()
    return Exported(member.verification.accuracy, load_pruned(place), AutoTokenizer.from_pretrained(place), card)
