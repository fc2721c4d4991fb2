"""Studies of vision transformers: tiny random checkpoints, pruned by heads and neurons, exported, loaded again."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits
from tiny_vision import SIDE, VISION, tiny_vision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from optimizer import load_pruned
from optimizer.door.model import taken_model
from optimizer.door.served import ServedModel
from optimizer.families.encoders.family import EncoderFamily
from optimizer.families.encoders.load import load_workload
from optimizer.given import Given
from optimizer.handover.export import export_candidate
from optimizer.pipeline import Pipeline
from optimizer.recovery.weights import build_candidate
from optimizer.run import optimize
from optimizer.spec import StudySpec
from optimizer.tasks.images.examples import ImageExamples
from search_spaces.config import Form
from search_spaces.groups import config_of
from search_spaces.transforms.units.materialize import outline
from studies.opening import open_store
from studies.records import CandidateState

CLASSES = 10
OF_EVERY_PART = ("vit", "beit", "beit with one table", "dinov2 with gates", "clip", "siglip")
ALIKE = tuple(name for name in VISION if name not in OF_EVERY_PART)  # other architectures of the same parts


def save(place: Path, name: str) -> Path:
    """Save a random classifier of digits whose answers depend on the image."""
    model = tiny_vision(name, CLASSES)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear):
                module.weight.mul_(8)
    model.save_pretrained(place)
    return place


def spec_of(model: Path | str, **changes: object) -> StudySpec:
    fields: dict[str, object] = {
        "model": str(model),
        "task": "digits",
        "epsilon": 0.3,
        "trials": 3,
        "allow_untrained": True,
        "calibration_examples": 32,
        "search_examples": 60,
        "verification_examples": 60,
        "batch_sizes": (1,),
        "measure_seconds": 0.02,
        "threads": 1,
    }
    return StudySpec.model_validate({**fields, **changes})


@pytest.mark.parametrize("name", OF_EVERY_PART)
def test_a_study_ends_with_models_that_are_loaded_as_they_were(name: str, tmp_path: Path) -> None:
    objectives = ("flops", "latency") if name == "beit" else ("flops",)
    spec, cache = spec_of(save(tmp_path / "model", name), objectives=objectives), tmp_path / "cache"
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    result = optimize(spec, store=store, cache_dir=cache, study="s")
    study = store.study("s")
    whole = [c for c in store.candidates(study.id) if c.state is CandidateState.COMPLETE]
    leanest = min(whole, key=lambda c: sum(c.config.as_dict().values()))
    export_candidate(store, study, leanest.number, tmp_path / "small", cache_dir=cache, as_onnx=name == "vit")
    store.close()
    workload = load_workload(spec, cache_dir=cache, progress=lambda *_: None)
    assert {str(group.kind) for group in cast("EncoderFamily", workload.family).layout.groups} == {"heads", "neurons"}
    built = build_candidate(leanest, Pipeline.of(spec, workload, cache), cache_dir=cache, study=study)
    loaded = load_pruned(tmp_path / "small").requires_grad_(False)
    images = cast("ImageExamples", workload.search).pixels[:5]
    with torch.inference_mode():
        torch.testing.assert_close(loaded(pixel_values=images).logits, built(pixel_values=images).logits)
    network = tmp_path / "small" / "network.json"
    assert {"config.json", "modeling_pruned.py", "preprocessor_config.json"} <= {
        p.name for p in network.parent.iterdir()
    }
    card = (network.parent / "README.md").read_text()
    assert 'AutoModelForImageClassification.from_pretrained("DIR", trust_remote_code=True)' in card
    assert 'pipeline("image-classification", "DIR", trust_remote_code=True)' in card
    digits = (load_digits().images[:30] * (255 / 16)).astype(np.uint8)
    mean, spread = (json.loads(network.read_text())[each][0] for each in ("mean", "spread"))
    prepared = ((digits - mean) / spread)[:, None]
    served = ServedModel(network.parent)
    with torch.inference_mode():
        answers = loaded(pixel_values=torch.from_numpy(prepared).float()).logits.argmax(dim=1).tolist()
    for table in (list(digits), prepared, prepared.tolist(), pd.DataFrame({"image": list(digits)})):
        assert served.predict(table) == answers
    (network.parent / "config.json").unlink()  # as earlier versions exported
    earlier = load_pruned(network.parent)
    with torch.inference_mode():
        torch.testing.assert_close(earlier(pixel_values=images).logits, built(pixel_values=images).logits)
    found = next(m.value for m in leanest.measurements if m.quantity == "flops")
    assert result.baseline is not None and result.baseline.flops is not None
    assert found == torchs_count(loaded) < result.baseline.flops
    assert result.state == "complete"


@pytest.mark.parametrize("name", ALIKE)
def test_half_of_an_encoder_costs_what_torch_counts(name: str, tmp_path: Path) -> None:
    workload = load_workload(spec_of(save(tmp_path, name)), cache_dir=tmp_path, progress=lambda *_: None)
    layout, costs = cast("EncoderFamily", workload.family).layout, workload.family.costs()
    halved = config_of(layout.groups, {group.name: group.units / 2 for group in layout.groups}, Form.SLICED)
    small = copy.deepcopy(outline(workload.model, layout, halved)).requires_grad_(False)
    assert costs["flops"].total(halved) == torchs_count(small) < costs["flops"].dense
    assert costs["parameters"].total(halved) == sum(p.numel() for p in small.parameters())


def torchs_count(model: Any) -> int:  # Any: of transformers
    model.set_attn_implementation("eager")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(pixel_values=torch.zeros(1, 1, SIDE, SIDE))
    return int(counter.get_total_flops())


def test_a_model_given_in_python_is_pruned_by_the_row_of_its_architecture(tmp_path: Path) -> None:
    given = Given(model=taken_model(tiny_vision("vit", CLASSES)).module)
    workload = load_workload(spec_of("mine"), cache_dir=tmp_path, progress=lambda *_: None, given=given)
    assert [group.name for group in cast("EncoderFamily", workload.family).layout.groups][:2] == [
        "layer.0.heads",
        "layer.0.neurons",
    ]
