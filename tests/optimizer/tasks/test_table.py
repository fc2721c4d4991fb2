from __future__ import annotations

from typing import get_args

from objectives.metrics import Kind
from optimizer.spec import MetricName
from optimizer.tasks.own_metric import PROBES
from optimizer.tasks.table import KINDS


def test_every_task_has_its_metrics_and_an_example_for_a_function() -> None:
    assert {*KINDS} == {*Kind} == {*PROBES}
    assert sorted(name for kind in KINDS.values() for name in kind.metrics) == sorted(get_args(MetricName))
