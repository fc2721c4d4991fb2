from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from tiny_checkpoints import sentences, tokenizer
from tiny_embedders import embedded, save_folder
from tiny_encoders import BERT_LIKE
from trained_tasks import SHORT, Finished, check_front, export_smallest, study
from transformers import BertConfig, BertModel

from objectives.divergence import cosine_divergence
from optimizer import open_front, optimize, resume
from optimizer.door.served import ServedModel
from optimizer.errors import InputError
from optimizer.tasks.embeddings.embedder import Embedder
from optimizer.tasks.embeddings.pooling import Pooling, read_pooling

SIZES = {"train": 150, "validation": 120, "test": 130}


def cosines(model: Any, encode: Any, frame: pd.DataFrame) -> np.ndarray:
    one, other = (embedded(model, encode, frame[name].tolist()) for name in ("sentence1", "sentence2"))
    return (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def pairs(n: int, seed: int) -> pd.DataFrame:
    return pd.DataFrame({"sentence1": sentences(n, seed), "sentence2": sentences(n, seed + 50)})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A study whose scores are the dense model's own cosines, some of them drawn anew."""
    root = tmp_path_factory.mktemp("pairs")
    place = save_folder(root / "model")
    (root / "data").mkdir()
    dense = Embedder(BertModel.from_pretrained(place, add_pooling_layer=False), read_pooling(place)).eval()
    for seed, (split, n) in enumerate(SIZES.items()):
        frame, rng = pairs(n, seed), np.random.default_rng(seed)
        found = cosines(dense, tokenizer(), frame)
        frame["score"] = np.where(rng.random(n) < 0.1, rng.permutation(found), found).astype(float)
        frame.to_parquet(root / "data" / f"{split}.parquet")
    return root, *study(root, epsilon=0.15, metric="cosine-spearman")


def test_a_front_of_embedders_is_verified_and_smaller(finished: Finished) -> None:
    _, store, result = finished
    check_front(result, "cosine-spearman", trivial=0, examples=SIZES["test"])
    assert store.study("small").context["examples"]["search"]["n"] == SIZES["validation"]


def test_an_export_is_a_folder_whose_cosines_rank_as_verified(finished: Finished, tmp_path: Path) -> None:
    root, _, _ = finished
    place = tmp_path / "out"
    verified, model, encode, card = export_smallest(finished, place)
    assert (place / "modules.json").read_bytes() == (root / "model" / "modules.json").read_bytes()
    assert (place / "1_Pooling" / "config.json").exists()
    assert "sentence-similarity" in card
    assert " AutoModel.from_pretrained" in card
    assert embedded(model, encode, ["w1 w2"]) @ embedded(model, encode, ["w1 w2"]).T == pytest.approx(1.0)
    frame = pd.read_parquet(root / "data" / "test.parquet")
    found = spearmanr(cosines(model, encode, frame), frame["score"]).statistic
    assert found == pytest.approx(verified, abs=1e-4)


def test_the_front_in_python_embeds_texts(finished: Finished, tmp_path: Path) -> None:
    root, store, _ = finished
    small = next(iter(open_front("small", store=store, cache_dir=root / "cache")))
    assert np.linalg.norm(small.model.predict(["w1 w2", "w3"]), axis=1) == pytest.approx([1.0, 1.0])
    small.export(tmp_path / "out")
    served = ServedModel(tmp_path / "out").predict(["w1 w2", "w3"])
    np.testing.assert_allclose(served, small.model.predict(["w1 w2", "w3"]), atol=1e-6)


def test_a_function_of_cosines_is_a_metric(finished: Finished, tmp_path: Path) -> None:
    root, store, _ = finished

    def ranked(cosines: Any, scores: Any) -> float:
        return float(spearmanr(cosines, scores).statistic)

    kept: dict[str, Any] = {"store": store, "cache_dir": root / "cache"}
    optimize(root / "model", root / "data", metric=ranked, study="own", **kept, **{**SHORT, "trials": 1})
    resume("own", metric=ranked, epsilon=0.9, progress=False, **kept)
    study = store.study("own")
    assert {m.unit for each in store.candidates(study.id) for m in each.measurements if m.quantity == "divergence"} == {
        "1"
    }
    rows = [(m.quantity, m.conditions.get("batch")) for m in study.baseline]
    assert len(rows) == len(set(rows))
    member = next(iter(open_front("own", metric=ranked, **kept)))
    frame = pd.read_parquet(root / "data" / "test.parquet")
    one, other = (member.model.predict(frame[name].tolist()) for name in ("sentence1", "sentence2"))
    assert member.verification.accuracy == pytest.approx(spearmanr((one * other).sum(axis=1), frame["score"]).statistic)
    member.export(tmp_path / "out")
    assert "sentence-similarity" in (tmp_path / "out" / "README.md").read_text()


def test_embeddings_cannot_be_recovered_by_training(finished: Finished) -> None:
    root, _, _ = finished
    with pytest.raises(InputError, match="recover: a model cannot be trained on labels of similarity"):
        study(root, "trained", epsilon=0.15, metric="cosine-spearman", recover="finetune")


@pytest.mark.parametrize(
    ("kinds", "pooling", "named"),
    [
        (["Transformer", "Pooling", "Dense"], {}, "'Dense'"),
        (["Transformer", "Pooling"], {"pooling_mode_lasttoken": True}, "'pooling_mode_lasttoken'"),
        (
            ["Transformer", "Pooling"],
            {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True},
            "'mean', 'max'",
        ),
    ],
)
def test_other_modules_and_poolings_are_refused_by_name(
    kinds: list[str], pooling: dict[str, bool], named: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=named):
        read_pooling(save_folder(tmp_path / "model", kinds, **pooling))


@pytest.mark.parametrize(
    ("modules", "named"),
    [
        ({"a": 1}, "modules.json must hold a JSON array"),
        ([1], "modules.json needs a type and a folder"),
        ([{"path": "", "type": "x.Transformer"}, {"type": "x.Pooling"}], "modules.json needs a type and a folder"),
        ([{"path": "", "type": "x.Transformer"}, {"path": "../up", "type": "x.Pooling"}], "a folder of its own"),
        ([{"path": "", "type": "x.Transformer"}, {"path": "", "type": "x.Pooling"}], "a folder of its own"),
    ],
)
def test_modules_without_a_folder_of_their_own_are_refused(modules: Any, named: str, tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(InputError, match=named):
        read_pooling(tmp_path)


def test_texts_that_are_changed_before_the_tokenizer_are_refused(tmp_path: Path) -> None:
    place = save_folder(tmp_path / "model")
    (place / "sentence_bert_config.json").write_text('{"max_seq_length": 64, "do_lower_case": true}')
    with pytest.raises(InputError, match="sets do_lower_case"):
        read_pooling(place)
    (place / "modules.json").unlink()
    with pytest.raises(InputError, match="has no modules"):
        read_pooling(place)


@pytest.mark.parametrize(
    ("mode", "by_hand"),
    [
        ("mean", lambda hidden: hidden.mean(dim=0)),
        ("cls", lambda hidden: hidden[0]),
        ("max", lambda hidden: hidden.max(dim=0).values),
        ("mean_sqrt_len_tokens", lambda hidden: hidden.sum(dim=0) / len(hidden) ** 0.5),
    ],
)
def test_padding_changes_no_embedding(mode: str, by_hand: Callable[[torch.Tensor], torch.Tensor]) -> None:
    shape = {name: value for name, value in BERT_LIKE.items() if name != "num_labels"}
    body = BertModel(BertConfig(**shape), add_pooling_layer=False).eval()
    model = Embedder(body, Pooling(mode=mode, is_normalised=False, files={}))
    ids = torch.tensor([[5, 6, 7, 8, 9], [5, 6, 0, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    with torch.inference_mode():
        found = model(input_ids=ids, attention_mask=mask).logits[1]
        alone = body(input_ids=ids[1:, :2]).last_hidden_state[0]
    torch.testing.assert_close(found, by_hand(alone), atol=1e-5, rtol=0)


def test_cosine_divergence_sees_directions_alone() -> None:
    one, other = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 0.0], [1.0, 1.0]])
    assert cosine_divergence(one, other) == pytest.approx((1 - 0.5**0.5) / 2)
    assert cosine_divergence(one, 5 * one) == pytest.approx(0.0)
    with pytest.raises(ValueError, match="not finite"):
        cosine_divergence(one, np.array([[np.inf, 0.0], [0.0, 1.0]]))
