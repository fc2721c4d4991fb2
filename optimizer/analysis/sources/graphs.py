"""ONNX files: graphs that ONNX Runtime runs on the CPU, counted from the shapes that its profiler sees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer.analysis.costs import Measured
from optimizer.analysis.inputs import Input, Inputs
from optimizer.analysis.sources.source import Described, Loaded
from optimizer.backends.names import ONNXRUNTIME, check_backend
from optimizer.errors import InputError

if TYPE_CHECKING:
    from torch import nn

SUFFIX = ".onnx"
KINDS = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
}
TOKENS = ("input_ids", "attention_mask", "token_type_ids")  # whose only free dimension beside the batch is the length


class Graphs:
    """A file of a graph with its weights in it, or beside it."""

    name = "onnx"

    def takes(self, place: Path) -> bool:
        """Whether it is a file with that ending."""
        return place.is_file() and place.suffix == SUFFIX

    def load(self, place: Path, described: Described) -> Loaded:
        """Return a session of the graph, tried on the smallest batch that it takes."""
        if described.device.type != "cpu":
            raise InputError("device", f"{place.name} is run by ONNX Runtime, which measures on the CPU here")
        check_backend(ONNXRUNTIME)
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
        from onnx.checker import ValidationError

        from optimizer.analysis.sources.profile import count_graph, read_graph
        from optimizer.backends.onnxruntime.session import REFUSED, session_of, session_of_file

        try:
            graph = read_graph(place)
            inputs = _inputs(session_of(graph.serialised, {}, 1).get_inputs(), place, described)
            counted = count_graph(graph, inputs)
            model: nn.Module = session_of_file(place).in_batches()
            model(**inputs.request()(min(inputs.batches or (1,))))
        except InputError:
            raise
        except (*REFUSED, DecodeError, ValidationError, OSError, ValueError) as error:
            raise InputError("model", f"{place.name} is damaged, or does not run: {_first_line(error)}") from error
        moved = counted.bytes_moved
        return Loaded(
            measured=Measured(model, counted.flops, lambda given: moved(len(next(iter(given.values()))))),
            parameters=graph.parameters,
            inputs=inputs,
        )


def files_of(place: Path) -> list[Path]:
    """Return the files of a graph: its own, and those below its folder that hold its weights, none of a damaged one.

    Weights elsewhere belong to no graph: ONNX Runtime refuses to read them.
    """
    try:
        held = _written(place).initializer
    except InputError:
        return [place]
    named = {entry.value for tensor in held for entry in tensor.external_data if entry.key == "location"}
    beside = (place.parent / name for name in sorted(named) if not {"..", "/"} & {*Path(name).parts})
    return [place, *(each for each in beside if each.is_file())]


def inputs_of(place: Path) -> list[str]:
    """Return the names of a graph's inputs. Raises `InputError` for a damaged file."""
    graph = _written(place)
    held = {each.name for each in graph.initializer}
    return [each.name for each in graph.input if each.name not in held]


def _written(place: Path) -> Any:
    """Return the graph of a file without the weights beside it."""
    check_backend(ONNXRUNTIME)
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load_model(place, load_external_data=False).graph
    except DecodeError as error:
        raise InputError("model", f"{place.name} is damaged, or does not run: {_first_line(error)}") from error


def _inputs(declared: Any, place: Path, described: Described) -> Inputs:
    """Return what a graph takes: its fixed dimensions, and those that the user describes."""
    batches = {each.shape[0] for each in declared if isinstance(each.shape[0], int)}
    return Inputs(tuple(_input(each, place, described) for each in declared), tuple(sorted(batches)) or None)


def _input(declared: Any, place: Path, described: Described) -> Input:
    if declared.type not in KINDS:
        raise InputError("model", f"{place.name}: {declared.name} is a {declared.type}, which cannot be made here")
    shape = tuple(declared.shape[1:])
    if not all(isinstance(size, int) for size in shape):
        shape = _described(declared.name, shape, place, described)
    return Input(declared.name, shape, KINDS[declared.type])


def _described(name: str, shape: tuple[Any, ...], place: Path, described: Described) -> tuple[int, ...]:
    given = described.inputs.tensors if described.inputs else ()
    found = next((each.shape for each in given if each.name == name or len(given) == 1), None)
    if found is None and name in TOKENS:
        found = (described.length,)
    if found is None:
        raise InputError("input", f"{place.name}: {name} has free dimensions; give {name}=SHAPE, without the batch")
    if len(found) != len(shape) or any(isinstance(s, int) and s != f for s, f in zip(shape, found, strict=True)):
        raise InputError("input", f"{place.name}: {name} takes {shape}, not {found}")
    return found


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
