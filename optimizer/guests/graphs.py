"""Graphs from elsewhere: ONNX Runtime runs them, and what torch does not see of them is counted from the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from objectives.energy.computed import Computed, Traffic
from objectives.flops import mean_flops
from objectives.measurement import JsonScalar, Measurement, Source
from optimizer.analysis.costs import Moved
from optimizer.analysis.inputs import Inputs
from optimizer.analysis.sources.graphs import files_of, inputs_of
from optimizer.analysis.sources.source import Entry
from optimizer.errors import InputError, listed
from optimizer.workload import Workload

MASK, FILLED = "attention_mask", ("token_type_ids",)  # what is 0 where a study's examples have none


class GuestGraph(nn.Module):
    """A graph that is asked and measured as a study's members are.

    `flops` are those of the study's search examples, `request_flops` those of its request, of one inference each.
    """

    def __init__(
        self, session: Any, *, flops: float, request_flops: float, moved: Moved, sizes: tuple[Measurement, ...]
    ) -> None:
        super().__init__()
        self.session, self.flops, self.sizes = session, flops, sizes
        self._request_flops, self._moved = request_flops, moved

    @property
    def conditions(self) -> dict[str, JsonScalar]:
        """What a figure of its runs holds for."""
        found: dict[str, JsonScalar] = self.session.conditions
        return found

    def forward(self, **inputs: Tensor) -> Any:
        """Return its answer, with `logits`. Raises `InputError` for inputs that it does not take."""
        from optimizer.backends.onnxruntime.session import REFUSED

        try:
            return self.session(**inputs)
        except REFUSED as error:
            raise InputError("models", f"the graph does not run on the study's examples: {error}") from error

    def save(self, path: Path) -> Path:
        """Write the graph to one file; return its path."""
        written: Path = self.session.save(path)
        return written

    def computed(self, inputs: Mapping[str, Tensor]) -> Computed:
        """Return what a pass over a request computes and moves."""
        batch = len(next(iter(inputs.values())))
        return Computed.of(batch * self._request_flops, Traffic.once(self._moved(inputs)))


def guest_graph(entry: Entry, workload: Workload, names: list[str]) -> GuestGraph:
    """Return the graph of a file, called by the `names` of a study's inputs. Raises `InputError` where it cannot be."""
    place = Path(entry.place)
    own = inputs_of(place)
    if MASK in names and MASK not in own:
        raise InputError(
            "models", f"{entry.name} reads no {MASK}, so that its answers depend on padding; export it with that input"
        )
    if not (len(own) == len(names) == 1 or {*own} <= {*names, *FILLED}):
        raise InputError(
            "models", f"{entry.name} reads {listed(own)}, the study's examples are {listed(names)}; name its inputs so"
        )
    loaded = entry.load()
    session: Any = loaded.measured.model  # a session of ONNX Runtime
    if len(own) == len(names) == 1 and own != names:
        session = session.renamed(own[0], names[0])
    moved = loaded.measured.traffic
    assert moved is not None, "a graph tells its traffic"
    size = sum(each.stat().st_size for each in files_of(place))
    return GuestGraph(
        session,
        flops=_mean_flops(place, loaded.inputs, workload, loaded.measured.flops),
        request_flops=loaded.measured.flops,
        moved=moved,
        sizes=(
            Measurement(quantity="parameters", value=loaded.parameters, unit="1", source=Source.COUNTED),
            Measurement(quantity="size", value=size, unit="bytes", source=Source.COUNTED),
        ),
    )


def _mean_flops(place: Path, inputs: Inputs, workload: Workload, at_request: float) -> float:
    """Return the FLOPs of an inference, of texts the mean over the unpadded lengths of the search examples."""
    if inputs.length is None:
        return at_request
    from optimizer.analysis.sources.profile import count_graph, read_graph

    graph = read_graph(place)

    def count(length: int) -> int:
        tensors = tuple(replace(each, shape=(length,)) if len(each.shape) == 1 else each for each in inputs.tensors)
        return round(count_graph(graph, replace(inputs, tensors=tensors)).flops)

    return mean_flops(count, workload.search.lengths)
