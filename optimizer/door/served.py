"""Served: an exported model as MLflow's `pyfunc` flavour loads it, without pickle: MLflow calls `_load_pyfunc`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from optimizer.door.answering import TextModel, answering
from optimizer.families.encoders.checkpoint import Checkpoint
from optimizer.families.encoders.weights import stored_tensors
from optimizer.families.networks.names import DESCRIPTION
from optimizer.handover.loading import load_pruned
from optimizer.torchvision_ops import admit_torchvision


class ServedModel:
    """An exported model that answers texts as a member's `model.predict` does, and images with class numbers.

    Texts are cut to `max_length` tokens, by default to the most that the model reads.
    """

    def __init__(self, place: Path, *, max_length: int | None = None) -> None:
        self._model: Any = load_pruned(place) if (place / DESCRIPTION).exists() else _text_model(place, max_length)

    def predict(self, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002 - mlflow reads hints
        """Return the answer to each text, pair of texts, list of words, or image `(c, h, w)`: `n` of them."""
        rows = model_input.to_numpy() if hasattr(model_input, "to_numpy") else model_input
        if isinstance(self._model, TextModel):
            return self._model.predict(_texts(rows))
        with torch.inference_mode():
            logits = self._model(pixel_values=torch.as_tensor(np.asarray(rows), dtype=torch.float32)).logits
        return list(logits.argmax(dim=1).tolist())


def _load_pyfunc(data_path: str, model_config: Mapping[str, Any] | None = None) -> ServedModel:
    """Return the model of an exported directory: the name that MLflow calls, with what was logged of its study."""
    return ServedModel(Path(data_path), **(model_config or {}))


def _texts(rows: Any) -> list[Any]:
    """Return texts of a list or a table, whose single column is taken, and whose two columns are pairs."""
    if isinstance(rows, np.ndarray):
        return list((rows[:, 0] if rows.ndim == 2 and rows.shape[1] == 1 else rows).tolist())
    return list(rows)


def _text_model(place: Path, max_length: int | None) -> TextModel:
    admit_torchvision()
    from transformers import AutoTokenizer

    net, tokenizer = load_pruned(place), AutoTokenizer.from_pretrained(place, local_files_only=True)
    config = net.config.to_dict()
    checkpoint = Checkpoint(
        name=str(place),
        directory=place,
        model_type=net.config.model_type,
        config=config,
        tensors=stored_tensors(place),
    )
    return answering(net, tokenizer, max_length=min(max_length or tokenizer.model_max_length, checkpoint.longest))
