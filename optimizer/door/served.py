"""Served: an exported model as MLflow's `pyfunc` flavour loads it, without pickle: MLflow calls `_load_pyfunc`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.door.answering import TextModel, answering
from optimizer.door.seeing import ImageModel
from optimizer.families.encoders.checkpoint import Checkpoint
from optimizer.families.encoders.weights import stored_tensors
from optimizer.families.networks.network import Network, read_network
from optimizer.families.networks.processor import plain_processor, read_processor
from optimizer.handover.loading import load_pruned
from optimizer.tasks.images.data import Normalisation
from optimizer.torchvision_ops import admit_torchvision


class ServedModel:
    """An exported model that answers texts and images as a member's `model.predict` does.

    Images without names of classes are answered with numbers. Texts are cut to `max_length` tokens, by default to the
    most that the model reads.
    """

    def __init__(self, place: Path, *, max_length: int | None = None) -> None:
        network = read_network(place)
        self._model: Any = _image_model(place, network) if network else _text_model(place, max_length)

    def predict(self, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002 - mlflow reads hints
        """Return the answer to each text, pair of texts, list of words, picture, or prepared image `(c, h, w)`."""
        rows = model_input.to_numpy() if hasattr(model_input, "to_numpy") else model_input
        return self._model.predict(_rows(rows))


def _load_pyfunc(data_path: str, model_config: Mapping[str, Any] | None = None) -> ServedModel:
    """Return the model of an exported directory: the name that MLflow calls, with what was logged of its study."""
    return ServedModel(Path(data_path), **(model_config or {}))


def _rows(rows: Any) -> Any:
    """Return a list of the rows of a table, whose single column is taken, or arrays of numbers as they are."""
    if isinstance(rows, np.ndarray) and rows.dtype.kind not in "biuf":
        return list((rows[:, 0] if rows.ndim == 2 and rows.shape[1] == 1 else rows).tolist())
    return rows if isinstance(rows, np.ndarray) else list(rows)


def _image_model(place: Path, network: Network) -> ImageModel:
    known = Normalisation(network.mean, network.spread)
    processor = read_processor(place, network.shape[0]) or plain_processor(known, network.shape)
    return ImageModel(load_pruned(place), processor, network.labels)


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
