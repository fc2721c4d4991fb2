"""Guests: models from elsewhere are verified and measured beside a study's front, each once, and never on it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load_file, save_file
from tiny_checkpoints import save_data, save_tiny, tokenizer

from optimizer import analyze
from optimizer.backends.onnxruntime.session import session_of_file
from optimizer.errors import InputError
from optimizer.fronts.fronts import front_of
from optimizer.fronts.result import result_of
from optimizer.guests import received
from optimizer.guests.received import Asked, House, receive
from optimizer.handover.export import export_candidate
from optimizer.run import optimize
from optimizer.spec import StudySpec
from studies.opening import open_store
from studies.records import StudyState
from studies.store import StudyStore

WEIGHTS, PT, WORDS = "model.safetensors", {"format": "pt"}, 100


class Place(NamedTuple):
    store: StudyStore
    root: Path

    def take(self, *names: str) -> received.Received:
        asked = Asked(named=[str(self.root / name) for name in names])
        return receive(asked, self.store.study("s"), self.store, cache_dir=self.root / "cache")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A finished study; `narrower` is the dense checkpoint with other weights, `export` a member of the front."""
    root = tmp_path_factory.mktemp("guests")
    save_tiny(root / "model")
    tokenizer(gives_types=True).save_pretrained(root / "model")
    save_data(root / "data", root / "model", {"train": 120, "validation": 120, "test": 120})
    spec = StudySpec(
        model=str(root / "model"),
        task="colours",
        data=str(root / "data"),
        text_columns=("sentence",),
        epsilon=0.6,
        trials=3,
        batch_sizes=(1, 2),
        further_lengths=(4,),
        measure_seconds=0.02,
        threads=1,
    )
    store = open_store(f"sqlite:///{root}/s.sqlite")
    result = optimize(spec, store=store, cache_dir=root / "cache", study="s")
    export_candidate(store, store.study("s"), result.front[0].candidate, root / "export", cache_dir=root / "cache")
    other = shutil.copytree(root / "model", root / "other")
    weights = load_file(other / WEIGHTS)
    save_file({name: tensor * 0.9 for name, tensor in weights.items()}, other / WEIGHTS, metadata=PT)
    return Place(store, root)


def test_models_are_verified_and_measured_beside_the_front_and_never_on_it(place: Place) -> None:
    before = front_of(place.store.study("s"), place.store.candidates(place.store.study("s").id))
    found = place.take("export", "other")
    assert [(guest.name, guest.form) for guest in found.guests] == [("export", "export"), ("other", "checkpoint")]
    assert not found.failures
    study = place.store.study("s")
    front = front_of(study, place.store.candidates(study.id))
    assert front.model_copy(update={"guests": ()}) == before
    exported, other = result_of(study, place.store).guests
    assert (exported, other) == front.guests
    (member,) = [each for each in front.items if each.candidate == before.items[0].candidate]
    assert member.verification and exported.n == member.verification.n == 120
    assert exported.drop == member.verification.drop
    assert exported.interval[0] <= exported.drop <= exported.interval[1]
    assert exported.flops == pytest.approx(member.flops)
    assert (exported.parameters, other.flops_ratio) == (member.parameters, 1)
    places = [(each.batch, each.length) for each in exported.latency]
    assert places[2:] == [(1, 4), (2, 4)] and [batch for batch, _ in places] == [1, 2, 1, 2]
    result = result_of(study, place.store)
    for of_study in (result.baseline, result.front[0]):
        assert of_study and [(each.batch, each.length) for each in of_study.latency] == places
    assert all(each.dense_seconds for each in exported.latency)
    assert exported.energy and exported.memory_ratio and exported.place == str((place.root / "export").resolve())


def test_the_same_files_are_not_run_again_and_other_ones_in_their_place_are(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.take("other")
    first = place.store.study("s").guests
    shutil.copytree(place.root / "other", place.root / "copy")
    with monkeypatch.context() as patch:
        patch.setattr(received, "House", None)
        place.take("other", "copy")
    assert place.store.study("s").guests == first
    weights = load_file(place.root / "copy" / WEIGHTS)
    save_file({name: tensor * 0.8 for name, tensor in weights.items()}, place.root / "copy" / WEIGHTS, metadata=PT)
    place.take("copy")
    assert {guest.name for guest in place.store.study("s").guests} == {*(guest.name for guest in first), "copy"}


def test_a_run_that_was_killed_before_measuring_does_not_verify_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(place.root / "other", place.root / "killed")
    (place.root / "killed" / "note.txt").write_text("another digest")
    with monkeypatch.context() as patch:
        patch.setattr(House, "_measure", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            place.take("killed")
    (kept,) = [guest for guest in place.store.study("s").guests if guest.name == "killed"]
    assert not kept.measurements
    assert "killed" not in {guest.name for guest in result_of(place.store.study("s"), place.store).guests}
    monkeypatch.setattr("optimizer.verify.Verifier.alone", None)
    place.take("killed")
    (measured,) = [guest for guest in place.store.study("s").guests if guest.name == "killed"]
    assert measured.measurements and measured.verification == kept.verification


def graph_of(
    place: Place, name: str, *, reads: tuple[str, ...] = ("input_ids", "attention_mask"), words: int = WORDS
) -> Path:
    """Write a graph that answers by the mean of embedded tokens, as many outputs as the study's model has."""
    rng = np.random.default_rng(0)
    weights = {
        "table": rng.standard_normal((words, 8)).astype(np.float32),
        "head": rng.standard_normal((8, 3)).astype(np.float32),
    }
    nodes = [helper.make_node("Gather", ["table", reads[0]], ["tokens"])]
    if len(reads) > 1:
        nodes += [
            helper.make_node("Cast", [reads[1]], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
            helper.make_node("Mul", ["tokens", "column"], ["kept"]),
        ]
    kept = "kept" if len(reads) > 1 else "tokens"
    nodes += [helper.make_node("ReduceSum", [kept, "words"], ["sums"], keepdims=0)]
    nodes += [helper.make_node("MatMul", ["sums", "head"], ["logits"])]
    held = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    held += [numpy_helper.from_array(np.array([axis]), key) for key, axis in (("last", -1), ("words", 1))]
    inputs = [helper.make_tensor_value_info(each, TensorProto.INT64, ["batch", "length"]) for each in reads]
    answers = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])]
    graph = helper.make_graph(nodes, "guest", inputs, answers, held)
    path = place.root / f"{name}.onnx"
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_a_graph_is_verified_and_measured_in_onnx_runtime_beside_the_dense_model_there(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = graph_of(place, "graph")
    monkeypatch.setattr(House, "_dense_graph", session_of_file(path))  # the study's own takes seconds to trace
    (guest,) = place.take("graph.onnx").guests
    assert (guest.name, guest.form) == ("graph", "onnx")
    (shown,) = [each for each in result_of(place.store.study("s"), place.store).guests if each.name == "graph"]
    assert shown.flops == 2 * 8 * 3
    assert shown.parameters == 8 * (WORDS + 3)
    assert shown.size_bytes == (place.root / "graph.onnx").stat().st_size
    assert {(each.backend, each.batch, each.length) for each in shown.latency} == {
        ("onnxruntime", batch, length) for batch in (1, 2) for length in (shown.latency[0].length, 4)
    }
    assert all(each.dense_seconds and each.ratio_torch for each in shown.latency)
    assert shown.energy_ratio
    assert shown.n == 120
    with pytest.raises(InputError, match="unmasked reads no attention_mask"):
        graph_of(place, "unmasked", reads=("input_ids",))
        place.take("unmasked.onnx")
    (place.root / "bad.onnx").write_bytes(b"\x08\x07garbage")
    assert "bad.onnx is damaged" in refused(place, "bad.onnx")
    graph_of(place, "other-names", reads=("ids", "attention_mask"))
    assert "reads 'ids', 'attention_mask', the study's examples are 'input_ids'" in refused(place, "other-names.onnx")
    graph_of(place, "few-words", words=3)
    assert "few-words cannot be asked with" in refused(place, "few-words.onnx")


def test_python_code_puts_models_beside_a_front_and_gets_them_as_a_table(place: Place) -> None:
    own = {"store": place.store, "cache_dir": place.root / "cache"}
    table = analyze([str(place.root / "other")], into="s", **own)
    assert [*table["name"]] == ["other"]
    (shown,) = [each for each in result_of(place.store.study("s"), place.store).guests if each.name == "other"]
    assert table.loc[0, "drop"] == shown.drop
    assert table.loc[0, "energy_ratio"] == shown.energy_ratio
    assert table.attrs["failures"] == []
    for given, words in (
        ({"models": str(place.root / "other"), "seconds": 1.0}, "seconds: is the study's where"),
        ({"models": {"lean": torch.nn.Linear(2, 2)}}, "models: lean is a module; save it"),
        ({"models": str(place.root / "nothing")}, "models: .* is no file"),
    ):
        with pytest.raises(InputError, match=words):
            analyze(**given, into="s", **own)


def refused(place: Place, name: str) -> str:
    with pytest.raises(InputError) as error:
        place.take(name)
    return str(error.value)


def test_what_does_not_answer_the_task_is_refused_with_its_field(place: Place) -> None:
    labels = save_tiny(place.root / "labels", labels=("a", "b", "c"))
    tokenizer(gives_types=True).save_pretrained(labels)
    assert "models: none could be put beside 's'; labels: labels answers with the labels 'a'" in refused(
        place, "labels"
    )
    few = save_tiny(place.root / "few", labels=("LABEL_0", "LABEL_1"))
    tokenizer(gives_types=True).save_pretrained(few)
    assert "few gives outputs of 2, the study's model of 3" in refused(place, "few")
    vocabulary = shutil.copytree(place.root / "other", place.root / "words") / "tokenizer.json"
    vocabulary.write_text(vocabulary.read_text().replace('"w7"', '"mauve"'))
    assert "reads texts as other tokens" in refused(place, "words")
    assert "no file, no directory" in refused(place, "nothing")
    weights = load_file(shutil.copytree(place.root / "other", place.root / "broken") / WEIGHTS)
    nothing = {name: torch.full_like(tensor, np.nan) for name, tensor in weights.items()}
    save_file(nothing, place.root / "broken" / WEIGHTS, metadata=PT)
    assert "broken" in refused(place, "broken")
    before = place.store.study("s").guests
    assert not {"labels", "few", "words", "broken"} & {guest.name for guest in before}


def test_a_study_that_is_not_finished_takes_none(place: Place) -> None:
    running = replace(place.store.study("s"), state=StudyState.RUNNING)
    with pytest.raises(InputError, match=r"into: study 's' is running; let it finish first"):
        receive(Asked(named=[str(place.root / "other")]), running, place.store, cache_dir=place.root / "cache")
