"""Admission: a model from elsewhere is put beside a study where it answers the study's task, and refused otherwise.

It must give as many outputs under the same labels, and read the same numbers: the same tokens of a text, the same
pixels of an image. What a folder does not say, a processor or a tokenizer, is taken to be the study's, and all that a
graph does not say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from optimizer.analysis.sources.graphs import Graphs, files_of
from optimizer.analysis.sources.source import Entry, OneInput
from optimizer.errors import InputError, listed
from optimizer.families.networks.classifier import ImageClassifier
from optimizer.families.teachers import TYPES, label_names
from optimizer.guests.graphs import guest_graph
from optimizer.manifest import file_hash
from optimizer.tasks.task import TARGETS, Batch, ask
from optimizer.tasks.texts.examples import AnyExamples
from optimizer.torchvision_ops import admit_torchvision
from optimizer.workload import Workload

PROBED = 16  # examples that a model is tried on, and whose texts are read again
READ_AT_ONCE = 256
TOKENIZER, PROCESSOR = "tokenizer.json", "preprocessor_config.json"
PREPARES = ("do_normalize", "do_rescale", "do_resize", "image_mean", "image_std", "rescale_factor", "size")


class Admitted(NamedTuple):
    """A model that answers a study's task, called and answering as its members are, with the hash of its files."""

    entry: Entry
    digest: str
    model: nn.Module


class Untyped(nn.Module):
    """A model that is not told which of two texts a token belongs to, asked about one text."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, token_type_ids: Tensor, **inputs: Tensor) -> Any:  # noqa: ARG002  # Any: what the model answers
        """Return the model's answer without the types."""
        return self.model(**inputs)


def digest_of(place: Path) -> str:
    """Return the SHA-256 of a file, or of a directory's files with their names; the place itself does not count.

    A graph whose weights lie beside it is these files together.
    """
    if place.is_dir():
        files = sorted(path for path in place.rglob("*") if path.is_file())
    else:
        files = files_of(place) if Graphs().takes(place) else [place]
    if files == [place]:
        return file_hash(place)
    root = place if place.is_dir() else place.parent
    lines = (f"{path.relative_to(root).as_posix()} {file_hash(path)}\n" for path in files)
    return sha256("".join(lines).encode()).hexdigest()


def admitted(entry: Entry, digest: str, workload: Workload) -> Admitted:
    """Return a model that answers the task of a study. Raises `InputError` for any other."""
    batch, alone = (_first(workload, examples) for examples in (PROBED, 1))
    if entry.source == Graphs.name:
        graph = guest_graph(entry, workload, [name for name in batch if name not in TARGETS])
        for probe in (batch, alone):  # which differ in both dimensions of texts
            _refuse_other_outputs(entry.name, probe, workload.model, graph)
        return Admitted(entry, digest, graph)
    model = _answering(entry.load().measured.model).to(workload.device).eval()
    _refuse_other_labels(entry.name, workload.model, model)
    _refuse_other_inputs(entry, workload)
    model = _told_types(model, workload.verification)
    _refuse_other_outputs(entry.name, batch, workload.model, model)
    return Admitted(entry, digest, model)


def _first(workload: Workload, examples: int) -> Batch:
    """Return the first verification examples as one batch."""
    some = workload.verification.subset(range(min(examples, len(workload.verification))))
    (batch,) = some.batches(batch_size=examples, device=workload.device)
    return batch


def _answering(model: nn.Module) -> nn.Module:
    """Return a model that answers with `logits`: a network of one tensor is called as the study's own networks are."""
    return ImageClassifier(model.net) if isinstance(model, OneInput) else model


def _told_types(model: nn.Module, examples: AnyExamples) -> nn.Module:
    """Return a model that can be asked as the study's are, where it has no types and all of them are 0."""
    if TYPES in signature(model.forward).parameters:
        return model
    typed = [batch[TYPES] for batch in examples.batches(batch_size=READ_AT_ONCE) if TYPES in batch]
    return Untyped(model) if typed and not any(types.any() for types in typed) else model


def _refuse_other_labels(name: str, dense: nn.Module, model: nn.Module) -> None:
    known, others = label_names(dense), label_names(model)
    if known and others and [each.casefold() for each in known] != [each.casefold() for each in others]:
        raise InputError(
            "models",
            f"{name} answers with the labels {listed(others)} in this order, the study with {listed(known)}; give a "
            "model with the study's own labels (id2label in config.json)",
        )


def _refuse_other_outputs(name: str, batch: Batch, dense: nn.Module, model: nn.Module) -> None:
    with torch.inference_mode():
        wanted = ask(dense, batch).shape
        try:
            shape = ask(model, batch).shape
        except AttributeError as error:
            raise InputError(
                "models", f"{name} gives no logits ({error}): it has no head; give one that was trained for this task"
            ) from error
        except Exception as error:  # foreign forward code may raise anything
            inputs = listed([each for each in batch if each not in TARGETS])
            raise InputError(
                "models", f"{name} cannot be asked with {inputs}, as the study's examples are ({error}); leave it out"
            ) from error
    if shape != wanted:
        raise InputError(
            "models",
            f"{name} gives outputs of {_words(shape)}, the study's model of {_words(wanted)}; give one that was "
            "trained for this task",
        )


def _refuse_other_inputs(entry: Entry, workload: Workload) -> None:
    place, requests = Path(entry.place), workload.family.requests
    if (tokenizer := getattr(requests, "tokenizer", None)) is not None and (place / TOKENIZER).is_file():
        _refuse_other_tokens(entry.name, place, tokenizer, workload.verification)
    if (processor := getattr(requests, "processor", None)) is not None and (place / PROCESSOR).is_file():
        with TemporaryDirectory() as own:
            processor.save(Path(own))
            known, others = _prepares(Path(own)), _prepares(place)
        if known != others:
            raise InputError(
                "models",
                f"{entry.name} prepares images otherwise than the study's model; give one whose processor scales and "
                "normalises as the model's does",
            )


def _refuse_other_tokens(name: str, place: Path, tokenizer: Any, examples: AnyExamples) -> None:
    admit_torchvision()
    from transformers import AutoTokenizer

    try:
        other: Any = AutoTokenizer.from_pretrained(place, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("models", f"the tokenizer of {name} cannot be loaded: {error}") from error
    ids = next(iter(examples.batches(batch_size=PROBED)))["input_ids"]
    texts = tokenizer.batch_decode(ids.reshape(-1, ids.shape[-1]), skip_special_tokens=True)
    if tokenizer.get_vocab() != other.get_vocab() or tokenizer(texts)["input_ids"] != other(texts)["input_ids"]:
        raise InputError("models", f"{name} reads texts as other tokens; give a model with the study's own tokenizer")


def _prepares(place: Path) -> Mapping[str, Any]:
    try:
        found = json.loads((place / PROCESSOR).read_text(encoding="utf-8"))
        return {name: found.get(name) for name in PREPARES}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError("models", f"the image processor in {place} cannot be read: {error}") from error


def _words(shape: torch.Size) -> str:
    return "×".join(map(str, shape[1:])) or "one number"
