"""The trained weights of recovered candidates: where they are kept, and the models that they make."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from torch import nn

from optimizer.errors import InputError
from optimizer.pipeline import Pipeline
from optimizer.weights import hash_weights
from search_spaces.config import Form
from search_spaces.transforms.entries import read_entry, write_entry
from studies.records import Candidate, Study

WEIGHTS = "weights"  # the condition of a training that holds the hash of what it made


def keep_weights(model: nn.Module, folder: Path) -> str:
    """Write a trained model's weights into a study's folder and return their hash."""
    weights = hash_weights(model)
    tensors = {name: tensor.detach() for name, tensor in model.state_dict().items()}
    write_entry(folder / f"{weights}.safetensors", tensors)
    return weights


def build_candidate(candidate: Candidate, pipeline: Pipeline, *, cache_dir: Path, study: Study) -> nn.Module:
    """Return a candidate's model, sharing untouched weights with the dense one; a recovered one has its own.

    What is kept is as it was trained: transforms that follow a training are applied here.

    Raises `InputError` where the weights of a recovered candidate are no longer in the cache.
    """
    if candidate.config.form is not Form.FINETUNED:
        return pipeline.build(candidate.config)
    paths = weights_paths(cache_dir, study, candidate)
    stored = next(filter(None, map(read_entry, paths)), None)
    if stored is None:
        raise InputError(
            "cache_dir",
            f"the trained weights of candidate {candidate.number} are missing or damaged at {paths[0]}; give the "
            "directory that the study ran with, or run it again under another name",
        )
    tensors = {name: tensor.to(pipeline.workload.device) for name, tensor in stored.items()}
    model = pipeline.outline(candidate.config, tensors)
    model.load_state_dict(tensors, assign=True)
    return pipeline.after_training(model.eval(), candidate.config)


def weights_paths(cache_dir: Path, study: Study, candidate: Candidate) -> tuple[Path, ...]:
    """Return where a recovered candidate's trained weights may be.

    The outcome names them by their hash: studies of one name in several databases, and a process that has lost the
    study and writes late, leave them unchanged. Earlier versions named them by the candidate.
    """
    measured = next((m for m in candidate.measurements if WEIGHTS in m.conditions), None)
    created = f"{study.created_at.astimezone(UTC):%Y%m%dT%H%M%S%f}"
    names = [measured.conditions[WEIGHTS]] if measured else [f"{candidate.number}-{created}", candidate.number]
    return tuple(folder_of(cache_dir, study) / f"{name}.safetensors" for name in names)


def folder_of(cache_dir: Path, study: Study) -> Path:
    """Return the folder of a study's recovered weights."""
    return cache_dir / "recovered" / study.slug
