"""Image networks in the main flow: trained once, pruned by channels, verified, exported and loaded again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

from optimizer import load_pruned
from optimizer.certify.begin import begin
from optimizer.certify.files import read_labels, write_next
from optimizer.certify.standing import settle
from optimizer.errors import InputError, UnknownNameError
from optimizer.families.encoders.load import check_workload, load_workload
from optimizer.fronts.fronts import members_of
from optimizer.fronts.result import result_of
from optimizer.given import Given
from optimizer.handover.export import export_candidate
from optimizer.manifest import FILE as MANIFEST
from optimizer.manifest import read_manifest
from optimizer.pipeline import Pipeline
from optimizer.predict import predict
from optimizer.run import optimize, resume
from optimizer.spec import StudySpec
from optimizer.tasks.images.data import load_images
from optimizer.views.footprint import footprint
from search_spaces.config import Config, Form
from search_spaces.groups import dense_config
from search_spaces.layouts.stored import bits_by_layer
from studies.opening import open_store
from studies.records import CandidateState, Verdict
from studies.sql.store import SqlStore


def spec_of(**changes: object) -> StudySpec:
    fields = {
        "model": "mlp-small",
        "task": "digits",
        "epsilon": 0.05,
        "trials": 12,
        "round_to": 1,
        "batch_sizes": (1,),
        "measure_seconds": 0.02,
        "calibration_examples": 200,
        "threads": 1,
    }
    return StudySpec.model_validate({**fields, **changes})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[SqlStore, Path, object]:
    root = tmp_path_factory.mktemp("digits")
    store = open_store(f"sqlite:///{root}/s.sqlite")
    return store, root, optimize(spec_of(), store=store, cache_dir=root / "cache", study="digits")


def test_distributions_of_the_user_come_first_and_keep_their_names(finished: tuple[SqlStore, Path, object]) -> None:
    store, root, _ = finished
    listed = {"name": "PD2", "ratio": 0.5, "removed": [0.25, 0.75]}
    spec = spec_of(trials=2, distributions=[listed], limits={"flops_ratio": 0.9})
    result = optimize(spec, store=store, cache_dir=root / "cache", study="listed")
    members = members_of(store.study("listed"), store.candidates(store.study("listed").id))
    assert [(member.distribution, member.origin) for member in members] == [("PD2 50 %", "user"), (None, "ladder")]
    assert members[0].config == {"net.1": 12, "net.3": 4}
    assert {member.distribution for member in result.front} <= {"PD2 50 %", None}
    for wrong, said in (([0.5], "1 numbers for 2 groups"), ({"conv": 0.5}, "no layer or group is called 'conv'")):
        refused = spec_of(distributions=[{**listed, "removed": wrong}])
        with pytest.raises(InputError, match=f"distributions: PD2 50 %: .*{said}"):
            optimize(refused, store=store, cache_dir=root / "cache", study="refused")
    assert "refused" not in store.slugs("refused")
    above = spec_of(trials=2, distributions=[listed], limits={"flops_ratio": 0.1})
    notes = optimize(above, store=store, cache_dir=root / "cache", study="above").notes
    assert "distributions above a limit, not evaluated: PD2 50 %" in notes
    first = result_of(store.study("digits"), store)
    assert result.baseline.training == first.baseline.training, "the first study kept it in the cache"
    assert "train" not in {stage.stage for stage in result.spent}


def test_the_training_of_the_dense_network_is_in_the_account_of_its_study(finished: tuple) -> None:
    _, _, result = finished
    training, train = result.baseline.training, next(each for each in result.spent if each.stage == "train")
    assert training.joules > 0
    assert len(training.epochs) == 18  # some 320 steps of 64 images
    assert train.seconds == pytest.approx(training.seconds) == pytest.approx(result.seconds["train"])
    assert train.joules == pytest.approx(training.joules)
    found = footprint(result, region="world-2018")
    assert found.dense_training == training
    assert found.joules == pytest.approx(sum(stage.joules for stage in result.spent))


def test_a_study_of_images_ends_with_a_verified_front_of_smaller_networks(finished: tuple) -> None:
    _, _, result = finished
    assert result.candidates_evaluated == 12
    assert result.conditions["image"] == "1×8×8"
    assert result.baseline.accuracy > 0.5
    held = [m for m in result.front if m.verdict in (Verdict.VERIFIED, Verdict.CERTIFIED)]
    assert held
    assert all(m.flops_ratio < 1 and m.verification.drop <= 0.05 for m in held)


def test_a_finished_study_is_not_run_again_and_the_network_not_trained_again(finished: tuple) -> None:
    store, root, result = finished
    trained = list((root / "cache" / "trained").iterdir())
    assert len(trained) == 1
    before = trained[0].stat().st_mtime_ns
    assert resume("digits", store=store, cache_dir=root / "cache").front == result.front
    load_workload(spec_of(), cache_dir=root / "cache", progress=lambda *_: None)
    assert trained[0].stat().st_mtime_ns == before


def test_layers_of_low_rank_and_few_bits_cost_what_is_counted_and_answer_alike_when_loaded(
    finished: tuple, tmp_path: Path
) -> None:
    store, root, _ = finished
    spec = spec_of(transforms=("rank", "bits"), trials=3)
    optimize(spec, store=store, cache_dir=root / "cache", study="rank")
    workload = load_workload(spec, cache_dir=root / "cache", progress=lambda *_: None)
    pipeline, study = Pipeline.of(spec, workload, root / "cache"), store.study("rank")
    candidate = min(store.candidates(study.id), key=lambda c: sum(c.config.levels.values()))
    built = pipeline.build(candidate.config)
    export_candidate(store, study, candidate.number, tmp_path / "small", cache_dir=root / "cache")
    loaded, pixels = load_pruned(tmp_path / "small"), workload.search.pixels[:8]
    assert any("from_rank" in name for name, _ in loaded.named_parameters())
    assert min(bits_by_layer(built).values()) <= 8
    assert bits_by_layer(loaded) == bits_by_layer(built)
    assert torch.equal(loaded(pixel_values=pixels).logits, built(pixel_values=pixels).logits)
    both = Pipeline.of(spec_of(transforms=("units", "rank", "bits")), workload, root / "cache")
    generator = np.random.default_rng(0)
    for _ in range(4):
        levels = {group.name: int(generator.choice(group.levels)) for group in both.groups}
        built = both.build(config := dense_config(both.groups).replaced(levels))
        assert both.costs["flops"].total(config) == workload.family.flops(built)
        assert both.costs["parameters"].total(config) == sum(p.numel() for p in built.parameters())
        (_, size) = both.sizes(built)
        assert both.costs["size"].total(config) == pytest.approx(size.value, abs=4096), "but for the names in the file"


def test_an_exported_network_answers_as_the_candidate_did(finished: tuple) -> None:
    store, root, result = finished
    member = result.front[0]
    place = root / "exported"
    export_candidate(store, store.study("digits"), member.candidate, place, cache_dir=root / "cache")
    loaded = load_pruned(place)
    workload = load_workload(spec_of(), cache_dir=root / "cache", progress=lambda *_: None)
    config = next(c for c in store.candidates(1) if c.number == member.candidate).config
    assert config.form is Form.RECONSTRUCTED
    small = Pipeline.of(spec_of(), workload, root / "cache").build(config)
    wanted = predict(small, workload.verification, workload.task)
    assert np.allclose(predict(loaded, workload.verification, workload.task), wanted, atol=1e-5)
    accuracy = float((wanted.argmax(1) == workload.verification.labels).mean())
    assert accuracy == pytest.approx(member.verification.accuracy)
    card = (place / "README.md").read_text()
    assert "pixel_values" in card and "transformers" not in card


def test_an_export_is_pruned_again_and_other_exports_are_refused_by_name(finished: tuple, tmp_path: Path) -> None:
    store, root, result = finished
    first, second = tmp_path / "first", tmp_path / "second"
    export_candidate(store, store.study("digits"), result.front[0].candidate, first, cache_dir=root / "cache")
    again = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    spec = spec_of(model=str(first), trials=3, calibration_examples=60, allow_untrained=True)
    found = optimize(spec, store=again, cache_dir=tmp_path / "cache", study="again")
    before = read_manifest(first)
    assert found.baseline.parameters == before.member.parameters
    assert found.baseline.flops == before.member.flops
    assert found.baseline.accuracy == pytest.approx(result.front[0].accuracy, abs=0.01)
    whole = [each for each in again.candidates(1) if each.state is CandidateState.COMPLETE]
    least = min(whole, key=lambda each: sum(each.config.as_dict().values()))
    export_candidate(again, again.study("again"), least.number, second, cache_dir=tmp_path / "cache")
    workload = load_workload(spec, cache_dir=tmp_path / "cache", progress=lambda *_: None)
    wanted = predict(
        Pipeline.of(spec, workload, tmp_path / "cache").build(least.config), workload.search, workload.task
    )
    assert np.allclose(predict(load_pruned(second), workload.search, workload.task), wanted, atol=1e-5)
    for change, says in (
        ({"form": "masked"}, r"made by 'masks': its layers hold zeros"),
        ({"weights_sha256": "0"}, "is not the file that was exported"),
        ({"transforms": {"later": {}}, "schema_version": 3}, "made by 'later', which this version does not know"),
    ):
        (second / MANIFEST).write_text(json.dumps(json.loads((first / MANIFEST).read_text()) | change))
        shutil.copy(first / "model.safetensors", second)
        with pytest.raises(InputError, match=says):
            check_workload(spec_of(model=str(second)))
    described = json.loads((first / "network.json").read_text())
    for change, says in (({"source": "module"}, "export of your own module"), ({"by_row": True}, "an earlier version")):
        (first / "network.json").write_text(json.dumps(described | change))
        with pytest.raises(InputError, match=says):
            check_workload(spec)


def test_onnx_gives_equal_logits_at_any_batch(finished: tuple) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    store, root, result = finished
    number, place = result.front[0].candidate, root / "graph"
    export_candidate(store, store.study("digits"), number, place, cache_dir=root / "cache", as_onnx=True)
    session = onnxruntime.InferenceSession(str(place / "model.onnx"), providers=["CPUExecutionProvider"])
    workload = load_workload(spec_of(), cache_dir=root / "cache", progress=lambda *_: None)
    pixels = workload.verification.pixels[:7]
    (logits,) = session.run(None, {"pixel_values": pixels.numpy()})
    wanted = load_pruned(place)(pixels).logits.detach().numpy()
    assert np.allclose(logits, wanted, atol=1e-4)


def test_labels_are_bought_for_fresh_images_on_which_networks_disagree(finished: tuple, tmp_path: Path) -> None:
    store, root, result = finished
    study, place, rng = store.study("digits"), tmp_path / "fresh", np.random.default_rng(0)
    (place / "more").mkdir(parents=True)
    images, labels = (each[:200] for each in load_digits(return_X_y=True))
    seen = (images * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    for index, image in enumerate(np.minimum(seen, 250) + rng.integers(0, 5, seen.shape, dtype=np.uint8)):
        Image.fromarray(image).save(place / ("more" if index % 2 else "") / f"{index}.png")
    Image.fromarray(seen[0]).save(place / "known.png")
    shutil.copy(place / "0.png", place / "again.png")
    chosen = [m.candidate for m in result.front if m.verdict is Verdict.VERIFIED][:1]
    notes = begin(store, study, chosen, place, cache_dir=root / "cache")
    assert notes == (
        "images set aside: 1 repeats",
        "images set aside: 1 that the study or an earlier purchase knows already",
    )
    path = write_next(store, study, tmp_path / "labels.csv", batch=200)
    rows = pd.read_csv(path)
    (purchase,) = store.purchases(study.id)
    assert settle(store, study).members[0].in_words == "0 bought labels of 200 images"
    assert (purchase.plan["texts"], purchase.plan["classes"]) == (200, [str(digit) for digit in range(10)])
    truth = labels[[int(Path(name).stem) for name in rows.image]]
    dense = {text.content[0]: text.dense for text in purchase.texts}
    assert np.mean([dense[name] == label for name, label in zip(rows.image, truth, strict=True)]) > 0.3
    rows.assign(label=truth).to_csv(path, index=False)
    assert len(read_labels(path, store.purchases(study.id))[1]) == len(purchase.texts)


def test_search_examples_are_in_no_other_role(tmp_path: Path) -> None:
    workload = load_workload(spec_of(allow_untrained=True), cache_dir=tmp_path, progress=lambda *_: None)
    rows = {
        role: {image.numpy().tobytes() for image in examples.pixels}
        for role, examples in {
            "search": workload.search,
            "verification": workload.verification,
            "train": workload.train(),
            "calibration": workload.calibration,
        }.items()
    }
    assert not rows["search"] & rows["train"]
    assert not rows["verification"] & (rows["train"] | rows["search"] | rows["calibration"])
    assert rows["calibration"] <= rows["train"]


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"model": "resnet19"}, UnknownNameError, "resnet18"),
        ({"task": "digit", "model": "mlp-small"}, UnknownNameError, "digits"),
        ({"metric": "f1"}, InputError, "accuracy"),
        ({"data": "/nowhere"}, InputError, "/nowhere"),
    ],
)
def test_names_that_cannot_be_are_refused_before_anything_is_loaded(
    changes: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        check_workload(spec_of(**changes))


def test_latency_and_energy_steer_a_network_by_a_table_that_is_kept(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    spec = spec_of(objectives=("latency", "energy"), trials=5, allow_untrained=True)
    result = optimize(spec, store=store, cache_dir=tmp_path, study="timed")
    assert result.candidates_evaluated == 5
    (table,) = (tmp_path / "latency").iterdir()
    before = table.stat().st_mtime_ns
    optimize(spec.model_copy(update={"seed": 1}), store=store, cache_dir=tmp_path, study="again")
    assert table.stat().st_mtime_ns == before


@pytest.mark.parametrize("examples", [65, 129])
def test_no_size_of_the_calibration_leaves_a_batch_norm_with_one_image(examples: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 8, 8), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8, 10))
    spec = spec_of(calibration_examples=examples, allow_untrained=True)
    given = Given(model=network.eval(), images=load_images("digits"))
    workload = load_workload(spec, cache_dir=tmp_path, progress=lambda *_: None, given=given)
    pipeline = Pipeline.of(spec, workload, tmp_path)
    config = Config.of({pipeline.groups[0].name: 4}, form=Form.RECONSTRUCTED)
    small = pipeline.build(config, share_weights=False)
    assert len(workload.calibration) == examples
    assert np.isfinite(predict(small, workload.search, workload.task)).all()


def test_graphs_are_checked_on_images_of_the_task(tmp_path: Path) -> None:
    workload = load_workload(spec_of(allow_untrained=True), cache_dir=tmp_path, progress=lambda *_: None)
    requests = workload.family.onnx_inputs().requests
    assert [len(request["pixel_values"]) for request in requests] == [2, 1, 5]
    assert all(torch.equal(r["pixel_values"], workload.search.pixels[: len(r["pixel_values"])]) for r in requests)
