from __future__ import annotations

import pytest
import torch

from optimizer.training.randomness import own_randomness

CPU = torch.device("cpu")


def test_inside_the_seed_decides_and_outside_nothing_changes() -> None:
    torch.manual_seed(1)
    untouched = torch.rand(3)
    torch.manual_seed(1)
    with own_randomness(7, CPU):
        first = torch.rand(3)
    assert torch.equal(torch.rand(3), untouched)
    with own_randomness(7, CPU):
        assert torch.equal(torch.rand(3), first)
    with own_randomness(8, CPU):
        assert not torch.equal(torch.rand(3), first)


def test_an_error_inside_gives_the_state_back() -> None:
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), own_randomness(7, CPU):
        torch.rand(3)
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.gpu
def test_a_gpu_draws_from_the_seed_and_goes_on_as_before() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")
    device = torch.device("cuda")
    before = torch.cuda.get_rng_state()
    with own_randomness(7, device):
        first = torch.rand(3, device=device)
    with own_randomness(7, device):
        assert torch.equal(torch.rand(3, device=device), first)
    assert torch.equal(torch.cuda.get_rng_state(), before)
