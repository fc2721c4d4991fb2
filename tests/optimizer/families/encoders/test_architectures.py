"""A study of every architecture: a tiny random checkpoint, pruned, exported and loaded again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_checkpoints import save_data, save_tiny, sentences, tokenizer
from tiny_encoders import OTHERS
from torch.utils.flop_counter import FlopCounterMode

from optimizer import load_pruned
from optimizer.families.encoders.load import load_workload
from optimizer.handover.export import export_candidate
from optimizer.pipeline import Pipeline
from optimizer.recovery.weights import build_candidate
from optimizer.run import optimize
from optimizer.spec import StudySpec
from studies.opening import open_store
from studies.records import CandidateState

CALLED_OTHERWISE = (
    "deberta-v2",
    "modernbert",
    "mpnet",
    "albert",
)  # layers that are given more than hidden states and a mask, or used several times
SIZES = {"train": 48, "validation": 48, "test": 48}


@pytest.mark.parametrize("architecture", OTHERS)
def test_a_study_ends_with_models_that_are_loaded_as_they_were(architecture: str, tmp_path: Path) -> None:
    save_tiny(tmp_path / "model", architecture)
    save_data(tmp_path / "data", tmp_path / "model", SIZES)
    spec = StudySpec(
        model=str(tmp_path / "model"),
        task="colours",
        data=str(tmp_path / "data"),
        epsilon=0.3,
        trials=3,
        objectives=("flops", "latency") if architecture in CALLED_OTHERWISE else ("flops",),
        batch_sizes=(1,),
        measure_seconds=0.02,
        calibration_examples=40,
        threads=1,
    )
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    result = optimize(spec, store=store, cache_dir=tmp_path / "cache", study="s")
    study = store.study("s")
    whole = [c for c in store.candidates(study.id) if c.state is CandidateState.COMPLETE]
    leanest = min(whole, key=lambda c: sum(c.config.as_dict().values()))
    place = tmp_path / "export"
    export_candidate(store, study, leanest.number, place, cache_dir=tmp_path / "cache")
    store.close()
    workload = load_workload(spec, cache_dir=tmp_path / "cache", progress=lambda *_: None)
    pipeline = Pipeline.of(spec, workload, tmp_path / "cache")
    built = build_candidate(leanest, pipeline, cache_dir=tmp_path / "cache", study=study)
    loaded = load_pruned(place).requires_grad_(False)  # the counter fails on views of parameters
    texts = tokenizer()(sentences(5, seed=3), padding=True, return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(**texts).logits, built(**texts).logits, atol=1e-6, rtol=1e-6)
    lengths = workload.search.lengths
    counts = {length: torchs_count(loaded, length) for length in set(lengths.tolist())}
    found = next(m.value for m in leanest.measurements if m.quantity == "flops")
    assert found == pytest.approx(sum(counts[length] for length in lengths.tolist()) / len(lengths), rel=1e-9)
    assert result.state == "complete"
    assert min(c.measurements[0].value for c in whole) < result.baseline.flops


def torchs_count(model: torch.nn.Module, length: int) -> int:
    model.config._attn_implementation = "eager"
    ids = torch.full((1, length), 5)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    return int(counter.get_total_flops())
