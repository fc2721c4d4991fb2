"""What counts operators leaves torch's compiler alone, which takes a second to load."""

from __future__ import annotations

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from objectives.energy.traffic import TrafficCounter
from objectives.memory import LiveBytes
from objectives.networks import _Counter


@pytest.mark.parametrize("mode", [TrafficCounter, LiveBytes, _Counter])
def test_a_mode_is_called_as_it_is_written(mode: type[TorchDispatchMode]) -> None:
    assert not hasattr(mode.__torch_dispatch__, "__wrapped__")


def test_torch_wraps_other_modes() -> None:
    class Wrapped(TorchDispatchMode):
        def __torch_dispatch__(self, *_: object) -> None:
            """Do nothing."""

    assert hasattr(Wrapped.__torch_dispatch__, "__wrapped__"), "torch wraps none: Dispatch is not needed any more"
