"""Dispatch: what sees every operator that torch runs, without torch's compiler.

Torch keeps its compiler out of the modes that it calls, and loads all of it for that at the first operator: a second of
processor time in every process that counts FLOPs. These modes are never compiled, so nothing has to be kept out.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Dispatch(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """A mode of torch's dispatcher for models that run operator by operator."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


@cache
def is_compound(func: Any) -> bool:  # Any: torch's operators are untyped
    """Whether an operator is made of others, into which `func.decompose` takes it apart."""
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"))
