"""Loading: a checked checkpoint becomes a model and a tokenizer; broken weights are refused by name."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import torch
from torch import nn

from optimizer.errors import InputError
from optimizer.quiet import quiet_transformers
from optimizer.torchvision_ops import admit_torchvision
from optimizer.workloads.models import Checkpoint


def load_checkpoint(checkpoint: Checkpoint, *, outputs: int | None, device: torch.device) -> tuple[Any, Any]:
    """Return the model in evaluation mode, float32, and its tokenizer (Any: one class per family).

    `outputs` makes a new head of that size where the checkpoint has none. Raises `InputError` for weights that are no
    numbers or do not fit.
    """
    admit_torchvision()
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    head = {} if outputs is None else {"num_labels": outputs}
    try:
        with quiet_transformers(), torch.random.fork_rng():
            torch.manual_seed(0)  # a new head, where there is none, is the same in every run
            model = AutoModelForSequenceClassification.from_pretrained(
                checkpoint.directory,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                **head,
            )
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.directory, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError("--model", f"{checkpoint.directory} cannot be loaded: {error}") from error
    check_finite(model)
    return model.to(device).eval(), tokenizer


def check_finite(model: nn.Module) -> None:
    """Raise `InputError` naming the first tensor that holds NaN or infinity."""
    for name, tensor in model.named_parameters():
        if not torch.isfinite(tensor).all():
            raise InputError("--model", f"tensor {name!r} holds NaN or infinity; the checkpoint is broken")


def hash_weights(model: nn.Module) -> str:
    """Return the SHA-256 of all parameters and persistent buffers, names included."""
    digest = sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()
