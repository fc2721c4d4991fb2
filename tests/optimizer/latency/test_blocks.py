"""The table of an encoder's blocks: every run is timed to its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_encoders import tiny

from objectives.rounds import Run
from optimizer.families.encoders.texts import request_of
from optimizer.latency.blocks import block_latency
from optimizer.spec import StudySpec
from search_spaces.layouts.named import named_layout

LENGTH = 6
SPEC = StudySpec.model_validate({"model": "m", "task": "phrases", "epsilon": 0.1, "batch_sizes": [2], "threads": 1})


def test_every_run_ends_when_its_device_has_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []

    def one_round(runs: Mapping[object, Run], **_: object) -> dict[object, np.ndarray]:
        for run in runs.values():
            before = len(waited)
            run()
            assert len(waited) == before + 1
        return {key: np.ones(1) for key in runs}

    monkeypatch.setattr("objectives.latency.synchronise", waited.append)
    monkeypatch.setattr("objectives.latency_table.interleaved_latency", one_round)
    model = tiny("bert")
    request = request_of(LENGTH, int(model.config.vocab_size), model.device)
    groups = named_layout(model).groups
    cost = block_latency(SPEC, model, groups, request=request, shape={"length": LENGTH}, cache_dir=tmp_path)
    assert cost.dense == pytest.approx(1.0)
    assert len(waited) > len(groups)
