"""Template: the graph of a dense model with places instead of layers and parameters.

Torch's exporter takes seconds. It runs once, on a model each of whose layers and parameters is one operator of our own
that names it. A smaller model is stitched by putting its layers there (`stitched.py`): what stands between the layers
is the same in all models that compression makes of one.
"""

from __future__ import annotations

import copy
import warnings
from ast import literal_eval
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn
from torch.func import functional_call

from optimizer.backends.backend import OnnxInputs
from optimizer.errors import InputError
from optimizer.weights import hash_weights
from search_spaces.files import written_whole
from search_spaces.layouts.requests import logits_of

VERSION = 3  # raise when templates change
OPSET = 23  # the first that has attention as one operator, which takes numbers of heads from what it reads
OUTPUT = "logits"
DOMAIN, LAYER, PARAMETER, PATH = "pruned", "Layer", "Parameter", "path"
LAYERS = (nn.Linear, nn.Conv2d, nn.Embedding, nn.BatchNorm2d)
UNREAD = ("doc_string", "metadata_props")


class _Places(nn.Module):
    """A classifier as a function of plain tensors, in the order of `names`."""

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return the logits `(batch, labels)`, of questions `(batch, tokens, 2)`."""
        own = {**dict(self.model.named_parameters()), **dict(self.model.named_buffers())}
        places = {name: _place(PARAMETER, name, tensor) for name, tensor in own.items()}
        return logits_of(functional_call(self.model, places, kwargs=dict(zip(self.names, tensors, strict=True))))


def kept_template(dense: nn.Module, inputs: OnnxInputs, cache_dir: Path) -> Any:
    """Return the template of a model from the cache, or make and keep it."""
    made_of = (
        VERSION,
        hash_weights(dense),
        *((name, str(tensor.dtype), tensor.ndim) for name, tensor in inputs.requests[0].items()),
        *(version(package) for package in ("torch", "onnx", "onnxscript", "transformers")),
    )
    path = cache_dir / "graphs" / f"{sha256(repr(made_of).encode()).hexdigest()[:24]}.onnx"
    if path.exists():
        return onnx.load_model(path)
    made = template(dense, inputs)
    with written_whole(path) as temporary:
        temporary.write_bytes(made.SerializeToString())
    return made


def template(dense: nn.Module, inputs: OnnxInputs) -> Any:  # Any: onnx is untyped
    """Return the template of a model, an `onnx.ModelProto`. Raises `InputError` where torch cannot write it."""
    request = {name: tensor.cpu() for name, tensor in inputs.requests[0].items()}
    try:
        made = _exported(_marked(dense), request, inputs.free)
    except torch.onnx.OnnxExporterError as error:
        raise InputError("backend", f"torch cannot write this model as onnx ({error})") from error
    del made.graph.value_info[:]  # the shapes of the dense model
    del made.metadata_props[:]
    for node in made.graph.node:
        node.doc_string = _scope(node)
        del node.metadata_props[:]
    _give_each_its_own(made.graph)
    return made


def _give_each_its_own(graph: Any) -> None:
    """Have every operator, in place, read constants of its own where these are whole numbers.

    Which of them follow the widths of layers is found out reader by reader (`widths.py`).
    """
    numbers = {each.name: each for each in graph.initializer if each.data_type == onnx.TensorProto.INT64}
    nodes = []
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in numbers:
                node.input[place] = own = f"{node.name}.{name}.{place}"
                constant = onnx.helper.make_node("Constant", [], [own], name=own, value=numbers[name])
                constant.doc_string = node.doc_string
                nodes.append(constant)
        nodes.append(node)
    rest = [each for each in graph.initializer if each.name not in numbers]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(rest)


def _scope(node: Any) -> str:
    """Return the path of the module that an operator comes from, which stands before that of the operator itself."""
    scopes = next((each.value for each in node.metadata_props if each.key == "pkg.torch.onnx.name_scopes"), "['', '']")
    return str(literal_eval(scopes)[-2]).removeprefix("model.")


def _marked(dense: nn.Module) -> nn.Module:
    """Return a copy on the CPU whose layers are places."""
    model = copy.deepcopy(dense).cpu().eval()
    for path, layer in [*model.named_modules()]:
        if type(layer) in LAYERS:
            whole = copy.copy(layer)
            layer._forward_hooks, layer._forward_pre_hooks = type(layer._forward_hooks)(), type(layer._forward_hooks)()
            layer.forward = partial(_layer, whole, path)
    return model


def _layer(whole: nn.Module, path: str, inputs: Tensor) -> Tensor:
    return _place(LAYER, path, whole(inputs), inputs)


def _place(kind: str, path: str, like: Tensor, *inputs: Tensor) -> Tensor:
    """Return the output of an operator of our own, of the type and shape of `like`."""
    made: Tensor = torch.onnx.ops.symbolic(
        f"{DOMAIN}::{kind}", inputs, {PATH: path}, dtype=like.dtype, shape=like.shape, version=1
    )
    return made


def _exported(model: nn.Module, request: Mapping[str, Tensor], names: Sequence[str]) -> Any:
    free: dict[int, Any] = {index: torch.export.Dim(name) for index, name in enumerate(names)}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
        exported: Any = torch.onnx.export(
            _Places(model, tuple(request)),
            tuple(request.values()),
            input_names=list(request),
            output_names=[OUTPUT],
            dynamic_shapes={"tensors": tuple(free for _ in request)},
            dynamo=True,
            optimize=True,
            opset_version=OPSET,
            verbose=False,
        )
    return exported.model_proto
