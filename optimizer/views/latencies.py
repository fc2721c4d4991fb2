"""Latencies in words: at which batch size and in which backend they were measured, and to what a ratio is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from optimizer.backends.names import CAPTURED, COMPILED, ONNXRUNTIME, TORCH
from optimizer.views.member import Costs, LatencyView

LENGTH = "sequence_length"  # the condition of a figure: tokens of each text of the request
Place = tuple[int, str, int | None]  # batch size, backend, length
Figure = Callable[[float, tuple[float, float] | None], str]  # of a ratio and its interval

RUNTIMES: Mapping[str, str] = {
    TORCH: "torch",
    ONNXRUNTIME: "ONNX Runtime",
    COMPILED: "torch.compile",
    CAPTURED: "CUDA graphs",
}
NO_GAIN = "no gain"


def places_of(views: Iterable[Costs | None]) -> list[Place]:
    """Return where any of the views was timed, in the order of measuring."""
    return list(dict.fromkeys(place_of(each) for view in views if view for each in view.latency))


def place_of(view: LatencyView) -> Place:
    """Return where a latency was measured."""
    return view.batch, view.backend, view.length


def title_of(place: Place, places: Sequence[Place]) -> str:
    """Return the name of a place: its batch size, and its length and backend where the figures are of several."""
    batch, backend, length = place
    has_lengths = len({each[2] for each in places}) > 1 and length is not None
    has_backends = {each[1] for each in places} != {TORCH}
    named = [f"batch {batch}", *([f"{length} tokens"] if has_lengths else [])]
    return ", ".join([*named, *([RUNTIMES.get(backend, backend)] if has_backends else [])])


def latency_at(view: Costs, place: Place) -> LatencyView | None:
    """Return the latency at a place, None where it was not measured."""
    return next((each for each in view.latency if place_of(each) == place), None)


def change_of(view: LatencyView, figure: Figure, *, of: str = "of") -> str:
    """Return a member's ratio in words: in torch to its dense model, elsewhere also to that of the same backend."""
    own = figure(view.ratio, view.ratio_interval)
    if view.backend == TORCH:
        return own if view.gain else NO_GAIN
    there = RUNTIMES.get(view.backend, view.backend)
    compared = f"{own} {of} {there} float32" if view.gain else f"{NO_GAIN} over {there} float32"
    return f"{compared}, {to_torch(view, figure, of=of)}"


def to_torch(view: LatencyView, figure: Figure, *, of: str = "of") -> str:
    """Return the ratio to the dense model in torch in words."""
    if view.ratio_torch is None or not view.gain_torch:
        return f"{NO_GAIN} over torch float32"
    return f"{figure(view.ratio_torch, view.ratio_torch_interval)} {of} torch float32"


def times(ratio: float, _interval: tuple[float, float] | None = None) -> str:
    """Return a ratio without its interval."""
    return f"×{ratio:.2f}"
