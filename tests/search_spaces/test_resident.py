"""Resident memory: weights that are mapped from a file leave memory, and are what they were when they come back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from search_spaces import resident
from search_spaces.resident import leaving, release


def mapped_bytes() -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssFile"))


def held_row(weights: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.linear(torch.ones(1, 1024), weights)[0, 0]


@pytest.fixture
def on_disk() -> Iterator[Path]:
    """A folder that lies in no memory."""
    with TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux' count of resident pages")
def test_weights_of_a_file_leave_memory_and_come_back_with_what_was_written_to_them(on_disk: Path) -> None:
    model = nn.ModuleList([nn.Linear(1024, 2048, bias=False), nn.Linear(8, 8)])
    save_file({"weight": torch.arange(1 << 21, dtype=torch.float32).reshape(2048, 1024)}, on_disk / "w.safetensors")
    with (on_disk / "w.safetensors").open("rb") as written:
        os.fsync(written.fileno())  # only what is on the disk can leave memory
    with safe_open(on_disk / "w.safetensors", framework="pt") as file:
        model[0].weight = nn.Parameter(file.get_tensor("weight"))
    with torch.no_grad():
        model[0].get_parameter("weight")[0, 0] = -5
    mapped, own = model[0].get_parameter("weight").detach(), model[1].get_parameter("weight").detach().clone()
    held = mapped.sum()
    before = mapped_bytes()
    release(model)
    assert before - mapped_bytes() > 7 << 20
    assert torch.equal(mapped.sum(), held)
    assert mapped[0, 0] == -5
    assert torch.equal(model[1].get_parameter("weight"), own)
    wanted = held_row(mapped)  # which also brings in the code that multiplies
    before = mapped_bytes()
    with leaving(model, ["0"]):
        answer = model[0](torch.ones(1, 1024))
    assert before - mapped_bytes() > 7 << 20
    assert answer[0, 0] == wanted
    assert not model[0]._forward_hooks


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux' count of resident pages")
def test_where_the_system_does_not_tell_what_was_written_all_pages_stay(
    on_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file({"weight": torch.ones(2048, 1024)}, on_disk / "w.safetensors")
    model = nn.Linear(1024, 2048, bias=False)
    with safe_open(on_disk / "w.safetensors", framework="pt") as file:
        model.weight = nn.Parameter(file.get_tensor("weight"))
    model.weight.detach().sum()
    monkeypatch.setattr(resident, "PAGES", on_disk / "none")
    before = mapped_bytes()
    release(model)
    assert before - mapped_bytes() < 1 << 20
