from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from prunable_models import bank_of, possible
from safetensors.torch import load_file, save_file
from tiny_checkpoints import LABELS, save_data, save_tiny, sentences, tokenizer
from tiny_encoders import ARCHITECTURES
from transformers import AutoTokenizer, pipeline

from optimizer import load_pruned
from optimizer.errors import InputError
from optimizer.families.encoders.checkpoint import inspect_checkpoint
from optimizer.handover.export import export_candidate
from optimizer.handover.loading import WEIGHTS
from optimizer.manifest import FILE, LayerShape, Manifest, file_hash, read_manifest
from optimizer.run import optimize
from optimizer.spec import StudySpec
from optimizer.views.member import Member
from search_spaces.config import Config
from search_spaces.transforms.units.materialize import materialize
from studies.opening import open_store
from studies.store import StudyStore

KEPT = [
    {"layer.0.heads": 2, "layer.0.neurons": 16, "layer.1.heads": 4, "layer.1.neurons": 48},
    {"layer.0.heads": 0, "layer.0.neurons": 16, "layer.1.heads": 1, "layer.1.neurons": 0},
    {"layer.0.heads": 4, "layer.0.neurons": 48, "layer.1.heads": 0, "layer.1.neurons": 0},
]
MEMBER = Member(
    candidate=0, config={}, form="reconstructed", origin="user", accuracy=None, drop=None, drop_interval=None, seen=0,
    verification=None, flops_ratio=1.0, flops=1.0, parameters=1, size_bytes=1,
)  # fmt: skip


def texts() -> dict[str, torch.Tensor]:
    return dict(tokenizer()(sentences(5, seed=3), padding=True, return_tensors="pt", return_token_type_ids=False))


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        answer: torch.Tensor = model(**texts()).logits
    return answer


@pytest.mark.parametrize("family", ARCHITECTURES)
@pytest.mark.parametrize("kept", KEPT)
def test_a_saved_model_loads_with_equal_logits_whatever_was_removed(
    family: str, kept: dict[str, int], tmp_path: Path
) -> None:
    model, groups, bank = bank_of(tmp_path / "bank", family)
    kept = possible(groups, kept)
    small = materialize(model, bank.layout, Config.of(kept), bank)
    place = tmp_path / "out"
    small.config.save_pretrained(place)
    save_file(
        {n: t.detach().clone() for n, t in small.state_dict().items()}, place / WEIGHTS, metadata={"format": "pt"}
    )
    manifest = Manifest(
        model_type=family,
        config=kept,
        form="reconstructed",
        layers=(LayerShape(heads=1, neurons=1),),
        weights_sha256=file_hash(place / WEIGHTS),
        study="s",
        task="t",
        metric="accuracy",
        epsilon=0.01,
        member=MEMBER,
    )
    as_exported_before = manifest.model_dump(mode="json", exclude={"dtype", "dense_size_bytes"}) | {"schema_version": 1}
    (place / FILE).write_text(json.dumps(as_exported_before))
    torch.testing.assert_close(logits(load_pruned(place)), logits(small), atol=1e-6, rtol=0)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyStore, Path, int]:
    root = tmp_path_factory.mktemp("export")
    save_tiny(root / "model")
    tokenizer(gives_types=True).save_pretrained(root / "model")
    save_data(root / "data", root / "model", {"train": 200, "validation": 200, "test": 150}, pairs=True)
    spec = StudySpec(
        model=str(root / "model"),
        task="colours",
        data=str(root / "data"),
        text_columns=("sentence", "other"),
        epsilon=0.6,
        trials=6,
        batch_sizes=(1,),
        measure_seconds=0.02,
        threads=1,
    )
    store = open_store(f"sqlite:///{root}/s.sqlite")
    result = optimize(spec, store=store, cache_dir=root / "cache", study="s")
    return store, root, result.front[0].candidate


def test_an_exported_candidate_runs_as_any_classifier_does(study: tuple[StudyStore, Path, int], tmp_path: Path) -> None:
    store, root, number = study
    files = export_candidate(store, store.study("s"), number, tmp_path / "out", cache_dir=root / "cache")
    names = {path.name for path in files}
    assert {"model.safetensors", "config.json", "manifest.json", "README.md", "tokenizer.json"} <= names
    model, encode = load_pruned(tmp_path / "out"), AutoTokenizer.from_pretrained(tmp_path / "out")
    classify = pipeline("text-classification", model=model, tokenizer=encode)
    assert {answer["label"] for answer in classify(sentences(8, seed=1))} <= {"red", "green", "blue"}
    manifest = read_manifest(tmp_path / "out")
    assert manifest.member.candidate == number
    assert [layer.heads for layer in manifest.layers] == [manifest.config[f"layer.{i}.heads"] for i in range(2)]
    card = (tmp_path / "out" / "README.md").read_text()
    assert "\n# model pruned for" in card  # where it was on this machine is nobody's business
    assert "load_pruned" in card
    assert manifest.member.verdict.value in card


def test_onnx_takes_the_pairs_that_the_tokenizer_gives_and_answers_as_torch_does(
    study: tuple[StudyStore, Path, int], tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    store, root, _ = study
    found, place = store.study("s"), tmp_path / "out"
    largest = max(store.candidates(found.id), key=lambda candidate: sum(candidate.config.as_dict().values()))
    export_candidate(store, found, largest.number, place, cache_dir=root / "cache", as_onnx=True)
    session = onnxruntime.InferenceSession(str(place / "model.onnx"), providers=["CPUExecutionProvider"])
    given = AutoTokenizer.from_pretrained(place)(sentences(9, 1), sentences(9, 2), padding=True, return_tensors="pt")
    assert {each.name for each in session.get_inputs()} == set(given) == {*texts(), "token_type_ids"}
    model = load_pruned(place)
    with torch.inference_mode():
        wanted = model(**given).logits.numpy()
        blind = model(given["input_ids"], given["attention_mask"]).logits.numpy()
    (got,) = session.run(None, {name: tensor.numpy() for name, tensor in given.items()})
    np.testing.assert_allclose(got, wanted, atol=1e-4)
    np.testing.assert_array_equal(load_pruned(place, backend="onnxruntime")(**given).logits.numpy(), got)
    assert np.abs(blind - wanted).max() > 0.01  # what a graph without token types would miss


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(
    study: tuple[StudyStore, Path, int], tmp_path: Path
) -> None:
    store, root, number = study
    with pytest.raises(InputError, match="candidate: 99 does not exist"):
        export_candidate(store, store.study("s"), 99, tmp_path / "out", cache_dir=root / "cache")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("x")
    with pytest.raises(InputError, match=r"directory: .* is not empty"):
        export_candidate(store, store.study("s"), number, tmp_path / "full", cache_dir=root / "cache")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]


def test_damaged_exports_are_refused(study: tuple[StudyStore, Path, int], tmp_path: Path) -> None:
    store, root, number = study
    place = tmp_path / "out"
    export_candidate(store, store.study("s"), number, place, cache_dir=root / "cache")
    weights = (place / WEIGHTS).read_bytes()
    (place / WEIGHTS).write_bytes(weights[:-4] + b"\0\0\0\1")
    with pytest.raises(InputError, match="is not the file that was exported"):
        load_pruned(place)
    (place / WEIGHTS).unlink()
    with pytest.raises(InputError, match=r"has no model\.safetensors"):
        load_pruned(place)
    (place / FILE).write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        load_pruned(place)
    (place / FILE).write_text('{"schema_version": 99}')
    with pytest.raises(InputError, match="newer version"):
        load_pruned(place)
    (place / FILE).unlink()
    with pytest.raises(InputError, match=r"has no manifest\.json"):
        load_pruned(place)


def test_an_export_is_pruned_again_and_described_against_its_own_shapes(
    study: tuple[StudyStore, Path, int], tmp_path: Path
) -> None:
    store, root, _ = study
    first, second = tmp_path / "first", tmp_path / "second"
    leanest = min(store.candidates(store.study("s").id), key=lambda each: sum(each.config.as_dict().values()))
    export_candidate(store, store.study("s"), leanest.number, first, cache_dir=root / "cache")
    spec = StudySpec.stored(store.study("s").spec).model_copy(
        update={"model": str(first), "trials": 3, "objectives": ("flops", "latency"), "allow_untrained": True}
    )
    again = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    result = optimize(spec, store=again, cache_dir=root / "cache", study="again")
    number = min(c.number for c in again.candidates(again.study("again").id))
    export_candidate(again, again.study("again"), number, second, cache_dir=root / "cache")
    before, after = read_manifest(first), read_manifest(second)
    assert result.baseline is not None
    assert result.baseline.parameters == before.member.parameters
    assert result.baseline.flops == pytest.approx(before.member.flops)
    present = {name for name, units in before.config.items() if units}
    assert set(after.config) == present, "what was removed before has no group"
    for layer, narrower in zip(before.layers, after.layers, strict=True):
        assert narrower.heads <= layer.heads
        assert narrower.neurons <= layer.neurons
    assert sum(p.numel() for p in load_pruned(second).parameters()) == after.member.parameters


def test_a_study_of_all_transforms_exports_what_it_verified(
    study: tuple[StudyStore, Path, int], tmp_path: Path
) -> None:
    store, root, _ = study
    transforms = ("units", "vocabulary", "rank", "bits")
    spec = StudySpec.stored(store.study("s").spec).model_copy(update={"transforms": transforms})
    both = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    optimize(spec, store=both, cache_dir=root / "cache", study="both")
    words, found = "bert.embeddings.word_embeddings", both.candidates(both.study("both").id)
    assert {c.config.levels[words] for c in found} == {44, 50}, "the tokenizer's 44 tokens all occur in the texts"
    smaller = [c for c in found if c.config.levels[words] == 44 and 8 in c.config.transforms["rank"].values()]
    number = max(smaller, key=lambda c: sum(c.config.as_dict().values())).number  # whose layers a rank of 8 suits
    export_candidate(both, both.study("both"), number, tmp_path / "out", cache_dir=root / "cache")
    model, manifest = load_pruned(tmp_path / "out"), read_manifest(tmp_path / "out")
    assert model.get_submodule(words).num_embeddings == 44
    assert any("from_rank" in name for name, _ in model.named_parameters())
    assert sum(p.numel() for p in model.parameters()) == manifest.member.parameters
    unseen = {"input_ids": torch.tensor([[2, 49, 3]])}
    torch.testing.assert_close(model(**unseen).logits, model(input_ids=torch.tensor([[2, 1, 3]])).logits)
    with pytest.raises(ValueError, match="its layers are split in two"):
        inspect_checkpoint("mine", tmp_path / "out")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_an_export_keeps_the_checkpoints_type_and_its_figures_are_those_of_the_file(
    dtype: torch.dtype, tmp_path: Path
) -> None:
    save_tiny(tmp_path / "model")
    save_data(tmp_path / "data", tmp_path / "model", {"validation": 120, "test": 100})
    halve(tmp_path / "model", dtype)
    spec = StudySpec(
        model=str(tmp_path / "model"),
        task="colours",
        data=str(tmp_path / "data"),
        epsilon=0.6,
        trials=3,
        batch_sizes=(1,),
        threads=1,
        measure_seconds=0.02,
    )
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    result = optimize(spec, store=store, cache_dir=tmp_path / "cache", study="s")
    number, place = result.front[-1].candidate, tmp_path / "out"
    export_candidate(store, store.study("s"), number, place, cache_dir=tmp_path / "cache")
    stored, manifest = load_file(place / WEIGHTS), read_manifest(place)
    floats = {tensor.dtype for tensor in stored.values() if tensor.is_floating_point()}
    assert floats == {dtype}
    assert (
        json.loads((place / "config.json").read_text())["dtype"] == manifest.dtype == str(dtype).removeprefix("torch.")
    )
    assert (place / WEIGHTS).stat().st_size == manifest.member.size_bytes == result.front[-1].size_bytes
    assert (tmp_path / "model" / WEIGHTS).stat().st_size == manifest.dense_size_bytes == result.baseline.size_bytes
    assert manifest.dtype in (place / "README.md").read_text()
    candidate = next(c for c in store.candidates(store.study("s").id) if c.number == number)
    labels = pd.read_csv(tmp_path / "data" / "test.csv")
    given = tokenizer()(labels["sentence"].tolist(), padding=True, return_tensors="pt")
    with torch.inference_mode():
        answers = load_pruned(place)(**given).logits.argmax(dim=1).numpy()
    accuracy = float(np.mean([LABELS[answer] for answer in answers] == labels["label"]))
    assert candidate.verification is not None
    assert accuracy == pytest.approx(candidate.verification.metric)


def halve(place: Path, dtype: torch.dtype) -> None:
    tensors = {name: tensor.to(dtype) for name, tensor in load_file(place / WEIGHTS).items()}
    save_file(tensors, place / WEIGHTS, metadata={"format": "pt"})
