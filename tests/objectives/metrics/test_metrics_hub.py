from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from objectives.metrics import METRICS, Kind
from objectives.metrics.hub import HUB_METRICS


@pytest.mark.parametrize("name", METRICS)
def test_evaluate_gives_the_value_of_the_array_function(name: str, tmp_path: Path) -> None:
    rng, metric = np.random.default_rng(0), METRICS[name]
    predictions, labels = rng.integers(2, size=(2, 40)) if metric.kind is Kind.CLASSIFICATION else rng.random((2, 40))
    answer = HUB_METRICS[name](cache_dir=str(tmp_path)).compute(predictions=predictions, references=labels)
    assert answer == {name: metric.value(predictions, labels)}


def test_the_metrics_themselves_do_not_import_evaluate_or_torch() -> None:
    code = "import sys, objectives.metrics, objectives.statistics; print({'evaluate', 'torch'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
