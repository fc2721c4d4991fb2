"""A request: the inputs of one inference as it is measured."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Request = Callable[[int], dict[str, Tensor]]  # batch -> the inputs of one latency request
