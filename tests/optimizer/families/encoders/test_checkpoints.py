"""Checkpoints that are read as written, or refused by name before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoints import LABELS, save_tiny, sentences, tokenizer
from tiny_encoders import FAMILIES
from transformers import BertModel

from optimizer.errors import InputError
from optimizer.families.encoders.checkpoint import Checkpoint, check_lengths
from optimizer.families.encoders.loading import load_model
from optimizer.families.encoders.models import checked_checkpoint
from optimizer.families.encoders.tokenizer import check_tokens, load_tokenizer
from optimizer.predict import predict
from optimizer.spec import StudySpec
from optimizer.tasks.classification import Classification
from optimizer.tasks.table import KINDS
from optimizer.tasks.texts.examples import tokenise

CPU = torch.device("cpu")
WEIGHTS = "model.safetensors"


def checked(directory: Path) -> Checkpoint:
    return checked_checkpoint("tiny", directory)


def configure(directory: Path, *, drop: tuple[str, ...] = (), **changed: Any) -> Path:
    path = directory / "config.json"
    config = {key: value for key, value in json.loads(path.read_text()).items() if key not in drop}
    path.write_text(json.dumps({**config, **changed}))
    return directory


def change_weights(directory: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    tensors = load_file(directory / WEIGHTS)
    change(tensors)
    save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})
    return directory


def shard(directory: Path) -> Path:
    tensors = load_file(directory / WEIGHTS)
    names = sorted(tensors)
    places = {name: f"model-{1 + index % 2}.safetensors" for index, name in enumerate(names)}
    for part in set(places.values()):
        save_file({n: tensors[n] for n in names if places[n] == part}, directory / part, metadata={"format": "pt"})
    (directory / f"{WEIGHTS}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    (directory / WEIGHTS).unlink()
    return directory


@pytest.mark.parametrize("change", [{"drop": ("id2label", "label2id")}, {"id2label": None}, {"id2label": {}}])
def test_two_labels_need_no_names(change: dict[str, Any], tmp_path: Path) -> None:
    place = configure(save_tiny(tmp_path, labels=("no", "yes")), **{"drop": ("label2id",), **change})
    found = checked(place)
    assert found.label_names == {0: "LABEL_0", 1: "LABEL_1"}
    assert load_model(found, outputs=found.outputs, device=CPU).config.num_labels == 2


def test_names_may_stand_in_label2id_alone(tmp_path: Path) -> None:
    found = checked(configure(save_tiny(tmp_path), drop=("id2label",)))
    assert found.label_names == dict(enumerate(LABELS))
    assert load_model(found, outputs=3, device=CPU).config.id2label == dict(enumerate(LABELS))


def test_a_sharded_checkpoint_is_read_whole(tmp_path: Path) -> None:
    whole = load_model(checked(save_tiny(tmp_path)), outputs=3, device=CPU).state_dict()
    parts = load_model(checked(shard(tmp_path)), outputs=3, device=CPU).state_dict()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_names_of_the_first_checkpoints_are_those_of_today(tmp_path: Path) -> None:
    today = load_model(checked(save_tiny(tmp_path)), outputs=3, device=CPU).state_dict()

    def age(tensors: dict[str, torch.Tensor]) -> None:
        for name in [name for name in tensors if "LayerNorm" in name]:
            tensors[name.replace("weight", "gamma").replace("bias", "beta")] = tensors.pop(name)
        tensors["bert.embeddings.position_ids"] = torch.arange(70)[None]

    aged = load_model(checked(change_weights(tmp_path, age)), outputs=3, device=CPU).state_dict()
    assert all(torch.equal(today[name], aged[name]) for name in today)


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_pad_token_batches_answer_as_single_texts_do(family: str, tmp_path: Path) -> None:
    path = save_tiny(tmp_path, family) / "tokenizer_config.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "pad_token"}))
    found = checked(tmp_path)
    texts = [(text,) for text in sentences(40, seed=3)]
    examples = tokenise(load_tokenizer(found), texts, np.zeros(40), role="search", digest="", max_length=60)
    model = load_model(found, outputs=3, device=CPU)
    np.testing.assert_allclose(
        predict(model, examples, Classification()), predict(model, examples, Classification(), batch_size=1), atol=1e-4
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_lengths_end_at_the_models_positions(family: str, tmp_path: Path) -> None:
    found = checked(save_tiny(tmp_path, family))
    assert found.longest == (68 if family == "roberta" else 70)
    spec = StudySpec(model="m", task="t", epsilon=0.01, data="d")
    assert check_lengths(found, spec) == found.longest  # the default gives way
    assert check_lengths(found, spec.model_copy(update={"max_length": 20})) == 20
    for field, option in (("max_length", "max_length"), ("sequence_length", "sequence_length")):
        with pytest.raises(InputError, match=f"{option}: must be at most {found.longest}"):
            check_lengths(found, spec.model_copy(update={field: found.longest + 1}))
    model = load_model(found, outputs=3, device=CPU)
    longest = torch.full((1, found.longest), 7)
    assert torch.isfinite(model(input_ids=longest).logits).all()
    with pytest.raises((RuntimeError, IndexError)):
        model(input_ids=torch.full((1, found.longest + 1), 7))


def drop_pooler(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["bert.pooler.dense.bias"]


def drop_layer(tensors: dict[str, torch.Tensor]) -> None:
    for name in [name for name in tensors if ".layer.1." in name]:
        del tensors[name]


def add_layer(tensors: dict[str, torch.Tensor]) -> None:
    tensors["bert.encoder.layer.2.output.dense.weight"] = torch.zeros(2, 2)


def spoil(tensors: dict[str, torch.Tensor]) -> None:
    tensors["bert.encoder.layer.1.output.dense.bias"][3] = torch.nan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_pooler, r"lacks the weights 'bert\.pooler\.dense\.bias'"),
        (drop_layer, r"lacks the weights 'bert\.encoder\.layer\.1.*and 6 more"),
        (add_layer, r"holds weights that a bert .* 'bert\.encoder\.layer\.2\.output\.dense\.weight'"),
        (spoil, r"'bert\.encoder\.layer\.1\.output\.dense\.bias' contains NaN"),
    ],
)
def test_weights_that_are_not_the_architectures_are_refused(
    change: Callable[[dict[str, torch.Tensor]], None], message: str, tmp_path: Path
) -> None:
    found = checked(change_weights(save_tiny(tmp_path), change))
    with pytest.raises(InputError, match=message):
        load_model(found, outputs=3, device=CPU)


@pytest.mark.parametrize("change", [{"hidden_act": "nothing"}, {"layer_norm_eps": "1e-12"}])
def test_a_configuration_that_cannot_be_built_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    found = checked(configure(save_tiny(tmp_path), **change))
    with pytest.raises(InputError, match=r"model: .*(hidden_act|layer_norm_eps|nothing)"):
        load_tokenizer(found)
        load_model(found, outputs=3, device=CPU)


def test_the_head_of_another_task_is_left_aside_and_a_missing_head_made(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    BertModel.from_pretrained(tmp_path).save_pretrained(tmp_path)
    found = checked(change_weights(tmp_path, lambda tensors: tensors.update({"cls.predictions.bias": torch.zeros(50)})))
    assert not found.has_head
    assert load_model(found, outputs=4, device=CPU).config.num_labels == 4


def quantize(tensors: dict[str, torch.Tensor]) -> None:
    name = "bert.encoder.layer.0.output.dense.weight"
    tensors[name] = tensors[name].round().to(torch.int8)


def enlarge(place: Path) -> None:
    larger = tokenizer()
    larger.add_tokens([f"more{i}" for i in range(10)])
    larger.save_pretrained(place)


def forget_tokenizer(place: Path) -> None:
    for path in place.glob("tokenizer*"):
        path.unlink()


def lose_shard(place: Path) -> None:
    shard(place)
    (place / "model-2.safetensors").unlink()


def as_graph(place: Path, operator: bytes) -> None:
    """Leave a graph alone, as exporters name its operators."""
    (place / WEIGHTS).unlink()
    (place / "onnx").mkdir()
    (place / "onnx" / "model.onnx").write_bytes(b"\x08\x0a..." + operator + b"...")


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda place: (place / name).write_text(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (write("config.json", "[1]"), r"config\.json holds a list; it must hold an object"),
        (lambda place: configure(place, quantization_config={"quant_method": "gptq"}), "quantization_config"),
        (
            partial(as_graph, operator=b"MatMul"),
            r"model\.onnx is an ONNX graph, which is not pruned; give the checkpoint",
        ),
        (partial(as_graph, operator=b"DequantizeLinear"), r"is an ONNX graph, quantized already"),
        (lambda place: configure(place, chunk_size_feed_forward=7), "set chunk_size_feed_forward .* to 0"),
        (lambda place: configure(place, id2label={"0": "a", "1": "b"}), "names 2 labels, the head has 3 outputs"),
        (lambda place: configure(place, id2label={"0": "a", "2": "b", "3": "c"}), "must number the labels from 0"),
        (lambda place: configure(place, id2label={"0": "a", "1": "b", "2": "a"}), "each with a name of its own"),
        (lambda place: configure(place, id2label=["a", "b", "c"]), "id2label in config.json cannot be read"),
        (write("adapter_config.json", "{}"), r"holds an adapter \(adapter_config\.json\)"),
        (
            lambda place: change_weights(place, quantize),
            r"'bert\.encoder\.layer\.0\.output\.dense\.weight' is stored as I8",
        ),
        (lose_shard, r"lacks model-2\.safetensors"),
        (lambda place: (shard(place) / f"{WEIGHTS}.index.json").write_text("[]"), r"index\.json is damaged"),
        (forget_tokenizer, "has no tokenizer files"),
        (write("tokenizer.json", "{"), r"tokenizer\.json is damaged"),
        (enlarge, "token ids up to 53, the model embeds 50 tokens"),
    ],
)
def test_what_cannot_be_read_as_written_is_refused_before_loading(
    change: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    change(save_tiny(tmp_path))
    with pytest.raises(InputError, match=message):
        checked(tmp_path)


@pytest.mark.parametrize(
    ("told", "tensor", "remedy"),
    [
        (["BertForTokenClassification"], "classifier.weight", "give data for token classification"),
        (["BertForMultipleChoice"], "classifier.weight", "no task here asks for such a head"),
        (None, "qa_outputs.weight", "is a model for QuestionAnswering"),
    ],
)
def test_a_head_for_another_task_is_named_and_never_replaced(
    told: list[str] | None, tensor: str, remedy: str, tmp_path: Path
) -> None:
    change_weights(save_tiny(tmp_path), lambda held: held.update({tensor: held.pop("classifier.weight")}))
    configure(tmp_path, architectures=told)
    with pytest.raises(InputError, match=rf"model: .*{remedy}"):
        checked(tmp_path).asked(KINDS["classification"])


def test_a_head_of_the_pretraining_is_left_behind_with_a_note(tmp_path: Path) -> None:
    change_weights(save_tiny(tmp_path), lambda held: held.pop("classifier.weight"))
    configure(tmp_path, architectures=["BertForMaskedLM"])
    found = checked(tmp_path).asked(KINDS["classification"])
    assert not found.has_head
    assert found.notes == [f"{found.name} is a BertForMaskedLM: its encoder is taken, its head is not used"]


@pytest.mark.parametrize("setting", ["is_decoder", "add_cross_attention"])
def test_decoders_are_refused_by_name(setting: str, tmp_path: Path) -> None:
    configure(save_tiny(tmp_path), **{setting: True})
    with pytest.raises(InputError, match=f"is a decoder \\({setting} in config.json\\)"):
        checked(tmp_path)


def test_an_adapter_alone_is_refused_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="merge_and_unload"):
        checked(tmp_path)


def test_a_sentence_transformer_is_a_bare_encoder_and_says_so(tmp_path: Path) -> None:
    configure(save_tiny(tmp_path), architectures=["BertModel"])
    (tmp_path / "modules.json").write_text("[]")
    assert "its pooling" in checked(tmp_path).notes[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plain_vocabulary_is_a_tokenizer_that_gives_what_the_model_takes(family: str, tmp_path: Path) -> None:
    save_tiny(tmp_path, family)
    forget_tokenizer(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "w1", "w2"]))
    found = checked(tmp_path)
    if family == "roberta":  # whose tokenizer reads merges
        with pytest.raises(InputError, match="knows no words"):
            load_tokenizer(found)
        return
    examples = tokenise(
        load_tokenizer(found), [("w1", "w2 w2")], torch.zeros(1).numpy(), role="search", digest="", max_length=20
    )
    assert examples.token_ids[0].tolist() == [2, 5, 3, 6, 6, 3]
    assert (examples.type_ids is None) == (family == "distilbert")
    (batch,) = examples.batches(batch_size=1)
    del batch["labels"]
    assert load_model(found, outputs=3, device=CPU)(**batch).logits.shape == (1, 3)


def test_texts_in_another_language_are_refused(tmp_path: Path) -> None:
    found = checked(save_tiny(tmp_path))
    encode = load_tokenizer(found)

    def texts(*rows: str) -> list[Any]:
        labels = torch.zeros(len(rows)).numpy()
        return [tokenise(encode, [(row,) for row in rows], labels, role="search", digest="", max_length=20)]

    check_tokens(texts("w1 w2 w3 w4 unknown"), encode, found)
    with pytest.raises(InputError, match="does not know 40% of the texts' tokens"):
        check_tokens(texts("w1 w2 w3 fremde woerter"), encode, found)
