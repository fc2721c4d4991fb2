"""A transform of one folder and one row takes the whole way: searched, stored, served, exported, loaded."""

from __future__ import annotations

import json
from pathlib import Path

import identity
import pytest
import torch
from fastapi.testclient import TestClient
from tiny_checkpoints import sentences, tokenizer

from optimizer import load_pruned
from optimizer.families.encoders.load import load_workload
from optimizer.handover.export import export_candidate
from optimizer.pipeline import Pipeline
from optimizer.spec import StudySpec
from search_spaces.transforms.table import TRANSFORMS
from studies.opening import open_store
from studies.records import CandidateState

LEVELS = {"layer.0.identity", "layer.1.identity"}


def test_another_transform_takes_the_whole_way_with_units(
    place: object, client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TRANSFORMS, "identity", identity.ROW)
    asked = place.request(transforms=["units", "identity"], trials=9, name="both")  # type: ignore[attr-defined]
    assert client.post("/v1/studies", json=asked).status_code == 201
    place.work()  # type: ignore[attr-defined]
    settings = place.settings  # type: ignore[attr-defined]
    store = open_store(settings.storage)
    study = store.study("both")
    assert study.error is None
    candidates = store.candidates(study.id)
    assert len(candidates) == 9
    assert all({*c.config.transforms["identity"]} == LEVELS for c in candidates)
    assert {level for c in candidates for level in c.config.transforms["identity"].values()} > {3}
    whole = next(c for c in candidates if c.state is CandidateState.COMPLETE and min(c.config.levels.values()) < 3)
    served = client.get(f"/v1/studies/both/candidates/{whole.number}").json()
    assert served["config"] == whole.config.as_dict()
    assert served["transforms"] == whole.config.transforms
    page = client.get(f"/studies/both/candidates/{whole.number}").text
    assert "<th>identity</th>" in page
    export_candidate(store, study, whole.number, tmp_path / "small", cache_dir=settings.cache_dir)
    manifest = json.loads((tmp_path / "small" / "manifest.json").read_text())
    assert manifest["schema_version"] == 3
    assert manifest["transforms"] == {"units": whole.config.as_dict(), **whole.config.transforms}
    spec = StudySpec.stored(study.spec)
    workload = load_workload(spec, cache_dir=settings.cache_dir, progress=lambda *_: None)
    built = Pipeline.of(spec, workload, settings.cache_dir).build(whole.config)
    texts = tokenizer()(sentences(5, seed=3), padding=True, return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        loaded = load_pruned(tmp_path / "small")(**texts).logits
        torch.testing.assert_close(loaded, built(**texts).logits, atol=1e-6, rtol=1e-6)
    store.close()
    monkeypatch.delitem(TRANSFORMS, "identity")
    with pytest.raises(ValueError, match="made by 'identity', which this version does not know"):
        load_pruned(tmp_path / "small")
