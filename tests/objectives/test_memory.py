from __future__ import annotations

import pytest
import torch
from tiny_encoders import prune_neurons, tiny, tokens
from torch import nn

from objectives.latency import forward_pass
from objectives.measurement import Source
from objectives.memory import LiveBytes, measure_memory, peak_memory_bytes

FLOAT = 4


@torch.inference_mode()
def test_a_chain_of_linears_holds_two_neighbouring_activations() -> None:
    chain = nn.Sequential(nn.Linear(10, 100), nn.Linear(100, 30), nn.Linear(30, 5))
    x = torch.randn(8, 10)
    weights = FLOAT * (10 * 100 + 100 + 100 * 30 + 30 + 30 * 5 + 5)
    assert peak_memory_bytes(lambda: chain(x), chain) == weights + FLOAT * 8 * (100 + 30)


@torch.inference_mode()
def test_work_in_place_and_views_need_no_memory() -> None:
    model = nn.Sequential(nn.Linear(10, 100), nn.ReLU(inplace=True), nn.Flatten(), nn.Unflatten(1, (4, 25)))
    x = torch.randn(2, 10)
    assert peak_memory_bytes(lambda: model(x), model) == FLOAT * (1100 + 2 * 100)


@torch.inference_mode()
def test_shared_parameters_are_counted_once() -> None:
    linear = nn.Linear(6, 6)
    twice = nn.Sequential(linear, linear)
    x = torch.randn(1, 6)
    assert peak_memory_bytes(lambda: twice(x), twice) == FLOAT * (42 + 12)


@torch.inference_mode()
def test_everything_is_freed_after_the_pass() -> None:
    model, request = tiny("bert"), tokens(2, 9)
    followed = LiveBytes()
    with followed:
        model(**request)
    assert followed.live == 0 < followed.peak


@torch.inference_mode()
def test_peak_agrees_with_the_profilers_allocator_events_but_for_scalars_inside_kernels() -> None:
    model, request = tiny("bert"), tokens(4, 25)
    model(**request)
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True, acc_events=True) as profiler:
        model(**request)
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = torch.tensor([event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]).cumsum(0)
    followed = LiveBytes()
    with followed:
        model(**request)
    assert followed.peak == pytest.approx(int(live.max()), rel=1e-3)


@torch.inference_mode()
def test_a_pruned_model_needs_less() -> None:
    dense, small, request = tiny("bert"), tiny("bert"), tokens(2, 9)
    for layer in (0, 1):
        prune_neurons(small, layer, 4)
    peaks = [peak_memory_bytes(forward_pass(model, request), model) for model in (dense, small)]
    assert peaks[1] < peaks[0]


@torch.inference_mode()
def test_measurement_says_the_request_and_the_device() -> None:
    linear, x = nn.Linear(3, 3), torch.randn(1, 3)
    measurement = measure_memory(lambda: linear(x), linear, conditions={"batch": 1, "length": 3})
    assert (measurement.quantity, measurement.unit, measurement.source) == ("memory", "bytes", Source.COUNTED)
    assert measurement.conditions == {"batch": 1, "length": 3, "device": "cpu"}


def test_a_device_that_cannot_be_followed_is_refused() -> None:
    with pytest.raises(ValueError, match="not on meta"):
        peak_memory_bytes(lambda: None, nn.Linear(2, 2, device="meta"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@torch.inference_mode()
def test_another_model_on_the_gpu_costs_this_one_nothing() -> None:
    model, request = tiny("bert").cuda(), {name: tensor.cuda() for name, tensor in tokens(2, 9).items()}
    alone = peak_memory_bytes(forward_pass(model, request), model)
    other = tiny("roberta").cuda()
    assert peak_memory_bytes(forward_pass(model, request), model) == alone
    assert next(other.parameters()).is_cuda
