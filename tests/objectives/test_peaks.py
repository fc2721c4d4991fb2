"""Peaks of memory: what is held for a moment counts, whoever else watches."""

from __future__ import annotations

import mmap
import os
import subprocess
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from objectives import peaks
from objectives.peaks import PeakWatch, resident_bytes, this_process, with_children

MIB = 2**20
CPU = torch.device("cpu")


def hold(size: int) -> None:
    """Hold pages of the kernel's for a moment: an allocator might give memory that this process holds already."""
    with mmap.mmap(-1, size) as pages:
        for at in range(0, size, mmap.PAGESIZE):
            pages[at] = 1


def test_what_was_held_for_a_moment_is_the_peak_and_is_gone_when_it_begins_anew() -> None:
    watch = PeakWatch(CPU, this_process)
    watch.begin()
    hold(200 * MIB)
    first = watch.look()
    held = resident_bytes(this_process)
    watch.begin()
    second = watch.look()
    watch.end()
    assert first.cuda is None
    if not first.is_seen:  # a kernel without peaks shows what is held at a look
        assert first.resident > held + 150 * MIB > second.resident


def test_one_that_begins_anew_takes_nothing_from_another() -> None:
    outer, inner = PeakWatch(CPU, this_process), PeakWatch(CPU, this_process)
    outer.begin()
    hold(200 * MIB)
    inner.begin()
    reached, above = inner.look().resident, outer.look()
    inner.end()
    outer.end()
    assert above.is_seen or above.resident > reached + 150 * MIB


def test_without_a_peak_of_the_kernel_what_is_held_at_a_look_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peaks, "PROC", tmp_path)
    watch = PeakWatch(CPU, this_process)
    watch.begin()
    kept = np.ones(64 * MIB, dtype=np.uint8)
    found = watch.look()
    watch.end()
    assert found.is_seen
    assert found.resident == pytest.approx(resident_bytes(this_process), abs=8 * MIB)
    assert found.resident > kept.nbytes


@pytest.mark.parametrize("has_lists", [True, False])
def test_those_that_are_started_by_what_this_process_started_count_as_well(
    has_lists: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_lists:  # as of other systems and some kernels
        monkeypatch.setattr(peaks, "PROC", tmp_path)
    shell = "sleep 100 & echo $!; cat"
    with subprocess.Popen(["sh", "-c", shell], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        below = psutil.Process(int(child.stdout.readline()))
        own, *others = with_children()
        below.kill()
        child.communicate()
    assert own == os.getpid()
    assert {child.pid, below.pid} <= {*others}
    assert not {child.pid, below.pid} & {*with_children()}
