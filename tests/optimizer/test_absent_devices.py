"""A device that this machine lacks is refused with those that it has."""

from __future__ import annotations

import pytest
import torch

from optimizer.device import check_device
from optimizer.errors import InputError


@pytest.mark.parametrize(
    ("name", "count", "use"), [("cuda", 0, "use cpu"), ("cuda:3", 1, "use cuda:0 or cpu"), ("cuda:2", 2, "cuda:1 or")]
)
def test_an_absent_gpu_is_refused_with_what_is_here(
    name: str, count: int, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(InputError, match=f"'{name}' is not here; .*{use}"):
        check_device(name)
