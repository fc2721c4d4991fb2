"""Execution: the form in which a model runs fastest on this device, where there is a choice."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from objectives.latency import measure_latency
from objectives.measurement import Interval, JsonScalar, Measurement
from optimizer.costs.request import Request
from optimizer.spec import StudySpec
from search_spaces.layouts.surgery import share_structure
from search_spaces.transforms.kernels import DENSE_KERNELS

CONTROL = "control"
CHOICE_S = 2.0  # of rounds in which the forms of one model are compared


@dataclass(frozen=True, slots=True)
class Execution:
    """A model in the form in which it runs, and the name of its kernels where there was a choice."""

    model: nn.Module
    conditions: Mapping[str, JsonScalar]


def fastest(
    model: nn.Module, forms: Mapping[str, nn.Module], dense: nn.Module, request: Request, spec: StudySpec
) -> Execution:
    """Return the model in the fastest form that beats dense kernels at the first batch size, else in dense ones.

    A form beats dense kernels where the interval of its ratio is below 1 and below that of a control, a copy of the
    dense model: copies differ by the memory addresses of their weights. The form is chosen in rounds that are not
    reported, because the fastest of several looks too good in the rounds that chose it. Dense kernels take the same
    time for zeros as for weights, so they are timed on the dense model.
    """
    if not forms:
        return Execution(model, {"kernels": DENSE_KERNELS})
    timed = measure_latency(
        {DENSE_KERNELS: share_structure(dense), CONTROL: copy.deepcopy(dense), **forms},
        request,
        dense=DENSE_KERNELS,
        batch=spec.batch_sizes[0],
        rng=np.random.default_rng(spec.seed),
        seconds=CHOICE_S,
        threads=spec.threads,
    )
    bar = min(1.0, _interval(timed[CONTROL].ratio).lower)
    winning = {name: timed[name].ratio.value for name in forms if _interval(timed[name].ratio).upper < bar}
    chosen = min(winning, key=lambda name: winning[name], default=DENSE_KERNELS)
    return Execution(forms.get(chosen, model), {"kernels": chosen})


def _interval(ratio: Measurement) -> Interval:
    return ratio.interval or Interval(lower=ratio.value, upper=ratio.value)
