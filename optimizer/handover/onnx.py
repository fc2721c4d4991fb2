"""ONNX: write a model as a graph that ONNX Runtime runs without this package, and run it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from optimizer.backends.backend import OnnxInputs
from optimizer.backends.names import ONNXRUNTIME, check_backend
from optimizer.errors import about
from optimizer.families.networks.network import Network
from optimizer.tasks.images.examples import PIXELS
from search_spaces.layouts.requests import noise_requests, token_requests

if TYPE_CHECKING:
    from optimizer.backends.onnxruntime.session import SessionModel

FILE = "model.onnx"
TYPES = "token_type_ids"


def write_onnx(model: nn.Module, directory: Path, inputs: OnnxInputs) -> Path:
    """Write `model.onnx`, checked: onnxruntime gives torch's logits.

    Raises `InputError` where the onnx extra is missing, torch cannot write the model as a graph or the logits differ.
    """
    with about("format", instead_of="backend"):
        check_backend(ONNXRUNTIME)
        from optimizer.backends.onnxruntime.backend import own_graph

        graph = own_graph(model, inputs)
    graph.save(directory / FILE)
    return directory / FILE


def session_in(place: Path) -> SessionModel | None:
    """Return the session of an exported folder's graph, None for a folder without one."""
    from optimizer.backends.onnxruntime.session import session_of_file

    return session_of_file(place / FILE) if (place / FILE).exists() else None


def session_for(model: Any, network: Network | None) -> SessionModel:  # Any: a transformers class
    """Return the session of an exported model. Raises `InputError` for one that ONNX Runtime does not run."""
    from optimizer.backends.onnxruntime.backend import own_graph

    requests = _of_images(network) if network else _of_texts(model.config)
    free = ("batch",) if network else ("batch", "length")
    return own_graph(model, OnnxInputs(requests=requests, free=free)).session


def _of_texts(config: Any) -> list[dict[str, Tensor]]:
    made = [dict(request) for request in token_requests(config.vocab_size, torch.device("cpu"))]
    if getattr(config, "type_vocab_size", 0) > 1:
        made = [{**request, TYPES: torch.zeros_like(request["input_ids"])} for request in made]
    return made


def _of_images(network: Network) -> list[dict[str, Tensor]]:
    (request,) = noise_requests(PIXELS, network.shape, torch.device("cpu"))
    return [dict(request), {name: images[:1] for name, images in request.items()}]
