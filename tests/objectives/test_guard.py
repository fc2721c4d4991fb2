from __future__ import annotations

import pytest
import torch
from torch import nn

from objectives.guard import measuring


def half_frozen() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.Linear(2, 2))
    model.train()
    model[0].eval()
    model[2].bias.requires_grad_(False)
    return model


def state(model: nn.Module) -> tuple[list[bool], list[bool]]:
    return [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]


def test_inside_the_guard_models_infer_on_the_stated_threads() -> None:
    model, other = half_frozen(), half_frozen()
    with measuring(model, other, threads=1):
        assert not any(module.training for one in (model, other) for module in one.modules())
        assert torch.is_inference_mode_enabled()
        assert torch.get_num_threads() == 1


def test_everything_is_left_as_found() -> None:
    model, threads = half_frozen(), torch.get_num_threads()
    before = state(model)
    with measuring(model, threads=threads + 1):
        pass
    assert state(model) == before
    assert torch.get_num_threads() == threads
    assert not torch.is_inference_mode_enabled()


def test_everything_is_left_as_found_after_an_error_too() -> None:
    model, threads = half_frozen(), torch.get_num_threads()
    before = state(model)
    with pytest.raises(ZeroDivisionError), measuring(model, threads=threads + 1):
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        raise ZeroDivisionError
    assert state(model) == before
    assert torch.get_num_threads() == threads


def test_no_threads_is_refused_before_anything_changes() -> None:
    model = half_frozen()
    before = state(model)
    with pytest.raises(ValueError, match="threads"), measuring(model, threads=0):
        pass
    assert state(model) == before
