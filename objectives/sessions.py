"""Timing sessions: few enough networks in turn that the compiled kernels of all of them stay in the cache.

oneDNN compiles a kernel for every shape of a convolution and keeps the latest 1024. A pass after more than that
compiles all of its own again: twenty pruned ResNet-50 in turn take twice the time of each, which no user ever sees.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import nn
from torch.nn.modules.conv import _ConvNd

from objectives.repeats import Key

MOST_CONVOLUTIONS = 320  # of one session; a convolution takes two kernels or more, those that reorder what it reads


def sessions_of(
    models: Mapping[Key, nn.Module], *, dense: Collection[Key], most: int = MOST_CONVOLUTIONS
) -> list[dict[Key, nn.Module]]:
    """Return the models in sessions, each with all of `dense` and at least one other, where there is one."""
    always = {key: models[key] for key in dense}
    sessions = [dict(always)]
    of_dense = room = most - sum(map(_convolutions, always.values()))
    for key, model in models.items():
        if key in always:
            continue
        needed = _convolutions(model)
        if needed > room and len(sessions[-1]) > len(always):
            sessions.append(dict(always))
            room = of_dense
        sessions[-1][key] = model
        room -= needed
    return sessions


def _convolutions(model: nn.Module) -> int:
    return sum(isinstance(module, _ConvNd) for module in model.modules())
