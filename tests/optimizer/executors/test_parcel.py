"""What is unpacked equals what was packed; its numbers are read from one file, and a write stays with its writer."""

from __future__ import annotations

import pickle
import threading
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from optimizer.errors import InputError, UnknownNameError
from optimizer.executors.parcel import Parcel, pack, read_parcel, unpack, write_parcel


def sent(value: Any, path: Path) -> Any:
    write_parcel(pack(value), path)
    return unpack(read_parcel(path))


def test_tensors_travel_with_type_shape_stride_and_flags(tmp_path: Path) -> None:
    whole = torch.arange(24.0).reshape(4, 6)
    values = [
        whole,
        whole.T[1:, ::2],
        torch.ones(3, dtype=torch.bfloat16),
        torch.tensor(7),
        torch.empty(0, 5),
        nn.Parameter(torch.ones(2)),
        nn.Parameter(torch.ones(2), requires_grad=False),
        torch.sparse_coo_tensor(torch.tensor([[0, 1]]), torch.tensor([1.0, 2.0]), (3,), check_invariants=True),
    ]
    for before, after in zip(values, sent(values, tmp_path / "p"), strict=True):
        assert type(after) is type(before)
        assert (after.dtype, after.shape, after.requires_grad) == (before.dtype, before.shape, before.requires_grad)
        assert torch.equal(after.to_dense().detach(), before.to_dense().detach())


def test_what_shares_memory_shares_it_after_the_journey_and_is_packed_once(tmp_path: Path) -> None:
    first, second = nn.Linear(300, 300, bias=False), nn.Linear(300, 300, bias=False)
    second.weight = first.weight
    model, rows = nn.Sequential(first, second), first.weight.detach()[:10]
    parcel = pack((model, rows))
    assert parcel.nbytes < 1.2 * first.weight.nbytes
    tied, row = sent((model, rows), tmp_path / "p")
    assert tied[0].weight is tied[1].weight
    assert row.data_ptr() == tied[0].weight.data_ptr()


def test_a_write_stays_with_its_writer_and_numbers_in_a_store_are_not_written(tmp_path: Path) -> None:
    array = np.arange(100.0)
    first = sent({"array": array, "tensor": torch.ones(100)}, tmp_path / "p")
    first["array"][0], first["tensor"][0] = 5, 5
    again = unpack(read_parcel(tmp_path / "p"))
    assert (again["array"][0], again["tensor"][0].item()) == (0, 1)
    parcel = pack(torch.ones(100))
    for buffer in parcel.buffers:
        buffer.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(unpack(Parcel(parcel.data, parcel.buffers)), torch.ones(100))


class Counting:
    def __init__(self) -> None:
        self.asked = 0
        self.double = lru_cache(8)(self._double)

    def _double(self, number: int) -> int:
        self.asked += 1
        return 2 * number


def test_functions_of_a_notebook_and_caches_of_methods_travel(tmp_path: Path) -> None:
    counting, factor = Counting(), 3
    counting.double(1)
    after, function = sent((counting, lambda x: factor * x), tmp_path / "p")
    assert [after.double(4), after.double(4), after.double(1)] == [8, 8, 2]
    assert after.asked == 3  # one before, which it remembers; its cache began empty
    assert function(2) == 6


@pytest.mark.parametrize(
    "error", [InputError("keep", "no such layer"), UnknownNameError("engine", "process", ["processes"])]
)
def test_our_errors_travel_as_they_are(error: InputError) -> None:
    after = pickle.loads(pickle.dumps(error))
    assert (type(after), str(after), after.field) == (type(error), str(error), error.field)


def test_what_cannot_travel_is_refused() -> None:
    with pytest.raises(InputError, match=r"workers: what was given in Python cannot go to another process: .*lock"):
        pack({"metric": threading.Lock()})
