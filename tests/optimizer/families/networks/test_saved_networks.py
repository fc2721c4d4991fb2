"""Image classifiers saved by transformers: kept as they are, or given a new head; pruned, exported, loaded again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from bright_corners import CLASSES, write_images
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageClassification, ConvNextConfig, PreTrainedConfig, ResNetConfig

from optimizer import load_pruned
from optimizer.errors import InputError
from optimizer.families.encoders.load import check_workload, load_workload
from optimizer.families.networks.network import read_network
from optimizer.families.networks.origins import SavedModel
from optimizer.fronts.fronts import members_of
from optimizer.handover.export import export_candidate
from optimizer.manifest import read_manifest
from optimizer.predict import predict
from optimizer.run import optimize
from optimizer.spec import StudySpec
from optimizer.views.member import Member
from search_spaces.groups import config_of
from search_spaces.transforms.units.materialize import outline
from studies.opening import open_store
from studies.sql.store import SqlStore

SIDE = 32
CONFIGS = {
    "resnet": ResNetConfig(embedding_size=16, hidden_sizes=[16, 24, 32, 40], depths=[1] * 4, layer_type="basic"),
    "convnext": ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1] * 4),
}


def save(kind: str, place: Path, *, classes: int = CLASSES, side: int = SIDE) -> Path:
    config: PreTrainedConfig = CONFIGS[kind]
    config.num_labels = classes
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForImageClassification.from_config(config).save_pretrained(place)
    size = {"shortest_edge": side}
    said = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25], "size": size, "crop_pct": 1.0}
    (place / "preprocessor_config.json").write_text(json.dumps(said))
    return place


def spec_of(model: Path, data: Path, **changes: object) -> StudySpec:
    fields: dict[str, object] = {
        "model": str(model),
        "task": "bloodmnist",
        "data": str(data),
        "epsilon": 0.5,
        "round_to": 1,
        "calibration_examples": 32,
        "trials": 3,
        "batch_sizes": (1,),
        "measure_seconds": 0.02,
        "threads": 1,
    }
    return StudySpec.model_validate({**fields, **changes})


def halve(place: Path) -> None:
    """Store a checkpoint's numbers in float16."""
    tensors = load_file(place / "model.safetensors")
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    save_file(halves, place / "model.safetensors", metadata={"format": "pt"})


def members(store: SqlStore) -> list[Member]:
    study = store.study("saved")
    return members_of(study, store.candidates(study.id))


def test_a_saved_network_is_pruned_exported_and_loaded_again(tmp_path: Path) -> None:
    model, data = save("resnet", tmp_path / "resnet", side=16), write_images(tmp_path / "data", side=16)
    halve(model)
    spec = spec_of(model, data, allow_untrained=True)
    store, cache = open_store(f"sqlite:///{tmp_path}/s.sqlite"), tmp_path / "cache"
    result = optimize(spec, store=store, cache_dir=cache, study="saved")
    assert any("weights of resnet, its head included" in note for note in result.notes)
    export_candidate(store, store.study("saved"), 0, tmp_path / "small", cache_dir=cache)
    assert str(tmp_path) not in (tmp_path / "small" / "network.json").read_text()
    stored, manifest = load_file(tmp_path / "small" / "model.safetensors"), read_manifest(tmp_path / "small")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16, torch.int64}
    assert manifest.dtype == "float16"
    assert manifest.dense_size_bytes == result.baseline.size_bytes
    assert result.baseline.size_bytes == pytest.approx((model / "model.safetensors").stat().st_size, rel=0.01)
    assert manifest.member.size_bytes == next(m.size_bytes for m in members(store) if m.candidate == 0)
    small = load_pruned(tmp_path / "small")
    assert sum(p.numel() for p in small.parameters()) < result.baseline.parameters
    workload = load_workload(spec, cache_dir=cache, progress=lambda *_: None)
    search = store.candidates(store.study("saved").id)[0].outcome
    right = float((predict(small, workload.search, workload.task).argmax(1) == workload.search.labels).mean())
    assert search is not None and search.drop is not None
    dense = float((workload.search_answers.argmax(1) == workload.search.labels).mean())
    assert dense - right == pytest.approx(search.drop)


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_saved_network_is_rebuilt_smaller_from_what_it_was_saved_with(kind: str, tmp_path: Path) -> None:
    data = write_images(tmp_path / "data", side=SIDE)
    spec = spec_of(save(kind, tmp_path / kind), data, allow_untrained=True)
    workload = load_workload(spec, cache_dir=tmp_path, progress=lambda *_: None)
    assert workload.search.pixels.min() == pytest.approx(-2.0, abs=0.05)  # black, (0 - 0.5) / 0.25
    workload.family.save(workload.model, tmp_path)
    network, groups = read_network(tmp_path), workload.family.layout.groups
    assert network is not None
    model = network.build()
    halved = config_of(groups, {group.name: group.units / 2 for group in groups})
    small = outline(model, network.layout_of(model), halved)
    with torch.inference_mode():
        assert small(pixel_values=workload.search.pixels[:2]).logits.shape == (2, CLASSES)
    assert sum(p.numel() for p in small.parameters()) < 0.5 * sum(p.numel() for p in workload.model.parameters())
    pruned = network.of_export(small.net)
    network.model_copy(update={"pruned": pruned}).save(tmp_path)
    again = read_network(tmp_path).build()
    again.load_state_dict(small.state_dict())
    with torch.inference_mode():
        images = workload.search.pixels[:2]
        assert torch.equal(again(pixel_values=images).logits, small(pixel_values=images).logits)


def test_other_classes_get_a_new_head_that_is_fine_tuned_once(tmp_path: Path) -> None:
    model, data = save("resnet", tmp_path / "m", classes=3, side=16), write_images(tmp_path / "data", side=16)
    spec, cache = spec_of(model, data), tmp_path / "cache"
    workload = load_workload(spec, cache_dir=cache, progress=lambda *_: None)
    assert any("with a new head; the whole network was fine-tuned" in note for note in workload.notes)
    assert workload.search_answers.shape[1] == CLASSES
    (kept,) = (cache / "trained").iterdir()
    before = kept.stat().st_mtime_ns
    again = load_workload(spec, cache_dir=cache, progress=lambda *_: None)
    assert again.subject.weights_hash == workload.subject.weights_hash and kept.stat().st_mtime_ns == before


def test_networks_that_cannot_be_taken_are_refused_with_the_remedy(tmp_path: Path) -> None:
    data, model = write_images(tmp_path / "data", side=SIDE), save("resnet", tmp_path / "m")
    grey = write_images(tmp_path / "grey", side=SIDE, channels=1)
    in_colour = load_workload(
        spec_of(model, grey, task="mvtec_3d", allow_untrained=True), cache_dir=tmp_path, progress=lambda *_: None
    )
    assert any("in grey given three equal channels, as the model takes: " in note for note in in_colour.notes)
    (model / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match=r"model: .* takes 3 channels, images have 1"):
        load_workload(spec_of(model, grey, task="mvtec_3d"), cache_dir=tmp_path, progress=lambda *_: None)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "model_type": "bit"}))
    with pytest.raises(InputError, match="'bit' are not supported"):
        check_workload(spec_of(model, data))
    (model / "config.json").write_text(json.dumps({**config, "hidden_act": "odd"}))
    with pytest.raises(InputError, match=r"config\.json is wrong: KeyError\('odd'\); correct it"):
        SavedModel(model).dense((3, SIDE, SIDE), CLASSES)


@pytest.mark.parametrize(
    ("said", "mean", "spread"),
    [
        ({"rescale_factor": 1 / 127.5}, 0.5 * 127.5, 0.25 * 127.5),
        ({"do_rescale": False}, 0.5, 0.25),
        ({"do_normalize": False}, 0.0, 255.0),
    ],
)
def test_images_are_normalised_as_the_processor_says(
    said: dict[str, object], mean: float, spread: float, tmp_path: Path
) -> None:
    file = save("resnet", tmp_path / "m") / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **said}))
    processor = SavedModel(tmp_path / "m").processor
    assert processor is not None
    found = processor.normalisation
    assert (found.mean[0], found.spread[0]) == pytest.approx((mean, spread), abs=1e-4)


def test_types_of_weights_are_said_and_quantised_ones_refused(tmp_path: Path) -> None:
    place = save("resnet", tmp_path / "m")
    tensors = load_file(place / "model.safetensors")
    halve(place)
    dense = SavedModel(place).dense((3, SIDE, SIDE), CLASSES)
    assert dense.storage.usual is torch.float16 and not dense.storage.others
    name = "classifier.1.weight"
    save_file({**tensors, name: tensors[name].to(torch.int8)}, place / "model.safetensors")
    with pytest.raises(InputError, match=r"model: tensor 'classifier\.1\.weight' is stored as I8"):
        SavedModel(place).dense((3, SIDE, SIDE), CLASSES)
