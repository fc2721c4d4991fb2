"""Loading: a checked checkpoint becomes a model; broken weights are refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from optimizer.errors import InputError, listed
from optimizer.families.encoders.checkpoint import Checkpoint
from optimizer.quiet import quiet_transformers
from optimizer.tasks.embeddings.pooling import cross_encoder_files
from optimizer.tasks.table import Head
from optimizer.torchvision_ops import admit_torchvision
from optimizer.training.randomness import own_randomness
from search_spaces.finite import is_sound
from search_spaces.layouts import modeling_pruned

BODY = (".layer.", ".layers.", "embeddings.", "embeddings_project")
IDS = ("position_ids", "token_type_ids")  # buffers that follow from the configuration


def load_model(checkpoint: Checkpoint, *, outputs: int, device: torch.device) -> Any:
    """Return the model in evaluation mode, float32 (Any: one class per family).

    Where the checkpoint has no head it gets a new one of so many `outputs`. Raises `InputError` for weights that hold
    NaN, do not fit, are missing, or belong to layers that the configuration does not have, and for a configuration
    that cannot be built.
    """
    named = {"num_labels": outputs} if checkpoint.head.kind else {}
    known = model_class(checkpoint.config, auto_class(checkpoint.head))
    model, info = pretrained(known, checkpoint.directory, **named)
    model.config.per_layer_config = None  # `save_stock` writes it again
    missing = sorted(info["missing_keys"])
    if not checkpoint.head.kind and missing and all(name.startswith("pooler.") for name in missing):
        model.pooler, missing = None, []  # sentence-transformers reads no pooler
    _check_complete(checkpoint, model, missing, sorted(info["unexpected_keys"]))
    check_finite(model)
    if checkpoint.has_head:
        name_labels(model, checkpoint.label_names)
    if checkpoint.trained_for:
        model.beside = cross_encoder_files(checkpoint.directory)
    model.config.problem_type = checkpoint.head.problem_type or model.config.problem_type
    return checkpoint.head.wrapped(model, checkpoint.directory).to(device).eval()


def pretrained(known: Any, directory: Path, **named: Any) -> tuple[Any, dict[str, Any]]:
    """Return a checkpoint in float32 by a class of transformers or of ours, and its report on loading.

    What the checkpoint lacks is new, and the same in every run. Raises `InputError` where it cannot be loaded.
    """
    from huggingface_hub.errors import StrictDataclassError

    try:
        with quiet_transformers(), own_randomness(0, torch.device("cpu")):
            loaded: tuple[Any, dict[str, Any]] = known.from_pretrained(
                directory,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
                **named,
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError("model", f"{directory} cannot be loaded: {error}") from error
    except (KeyError, TypeError, AttributeError, StrictDataclassError) as error:  # of a value it cannot be built with
        raise InputError("model", f"{directory}/config.json is wrong: {error!r}; correct it") from error
    return loaded


def model_class(config: Mapping[str, Any], otherwise: str) -> Any:
    """Return the class that loads a checkpoint: the pruned one of an export of ours, or transformers' `otherwise`.

    Raises `InputError` for an architecture that is not among the latter's.
    """
    admit_torchvision()
    import transformers

    if "pruned" in config:
        return getattr(modeling_pruned, config["architectures"][0])
    known, kind = getattr(transformers, otherwise), config["model_type"]
    if kind not in known._model_mapping._model_mapping:
        head = otherwise.removeprefix("AutoModel")
        raise InputError("model", f"transformers has no {kind} {head}; give a model of another architecture")
    return known


def auto_class(head: Head) -> str:
    """Return the name of transformers' class that loads a model with such a head."""
    return f"AutoModelFor{head.kind}" if head.kind else "AutoModel"


def name_labels(model: Any, names: Mapping[int, str]) -> None:
    """Have the configuration of a model name its labels, where it has any."""
    if names:
        model.config.id2label = dict(names)
        model.config.label2id = {name: index for index, name in names.items()}


def check_finite(model: nn.Module) -> None:
    """Raise `InputError` naming the first parameter or buffer that holds NaN or infinity."""
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        if not is_sound(tensor):
            raise InputError("model", f"tensor {name!r} contains NaN or infinity; the checkpoint is damaged")


def _check_complete(checkpoint: Checkpoint, model: Any, missing: list[str], unexpected: list[str]) -> None:
    """Raise `InputError` where the weights in the file and those of the architecture are not the same.

    A head that is to be trained may be missing, the head of another task may be left over.
    """
    if lost := [name for name in missing if checkpoint.has_head or not _is_of_head(name, model)]:
        raise InputError(
            "model", f"{checkpoint.directory} lacks the weights {listed(lost)}; save the whole model again"
        )
    if more := [name for name in unexpected if any(part in name for part in BODY) and not name.endswith(IDS)]:
        raise InputError(
            "model",
            f"{checkpoint.directory} holds weights that a {checkpoint.model_type} of its config.json does not have: "
            f"{listed(more)}; the two must come from the same model",
        )


def _is_of_head(name: str, model: Any) -> bool:
    return "pooler" in name or not name.startswith(f"{model.base_model_prefix}.")
