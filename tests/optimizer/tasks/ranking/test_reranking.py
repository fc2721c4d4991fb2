from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import ndcg_score
from tiny_checkpoints import sentences, tokenizer
from trained_tasks import Finished, check_front, export_smallest, study, train
from transformers import BertForSequenceClassification

from objectives.metrics.ranking import RANKINGS, ranked
from optimizer import open_front
from optimizer.errors import InputError
from optimizer.spec import StudySpec
from optimizer.tasks.ranking.examples import RankedPairs
from optimizer.tasks.ranking.rankings import Reranking
from optimizer.tasks.ranking.reader import RerankReader
from optimizer.tasks.texts.data import Data, read_splits
from optimizer.tasks.texts.examples import Encoder
from optimizer.tasks.texts.known import resolve_task
from optimizer.tasks.texts.splits import cut

CROSS_ENCODER: dict[str, Any] = {  # as sentence-transformers 6 saves one
    "modules.json": [{"idx": 0, "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}],
    "config_sentence_transformers.json": {"activation_fn": "torch.nn.modules.linear.Identity", "prompts": {}},
}
SIZES = {"train": 30, "validation": 24, "test": 30}  # queries


def relevance(document: str) -> int:
    return sum(int(word[1:]) < 3 for word in document.split())


def pairs(queries: int, seed: int) -> pd.DataFrame:
    """Return eight to ten documents per query, whose relevance is how many of their words are of the first three."""
    rng = np.random.default_rng(seed)
    rows = []
    for i, query in enumerate(sentences(queries, seed)):
        first, *others = sentences(int(rng.integers(8, 11)), 1000 * seed + i)
        rows += [(query, document, relevance(document)) for document in (f"w0 w1 w2 {first}", *others)]
    return pd.DataFrame(rows, columns=["query", "document", "relevance"])


def read(place: Path, frame: pd.DataFrame, **more: object) -> Data:
    frame.to_csv(place / "test.csv", index=False)
    spec = StudySpec.model_validate({"model": "m", "task": "mine", "epsilon": 0.1, "data": str(place), **more})
    return read_splits(spec, resolve_task(spec))


def examples_of(place: Path, frame: pd.DataFrame) -> RankedPairs:
    encoder = Encoder(tokenizer=tokenizer(), max_length=32)
    return RerankReader().examples(read(place, frame).tables["test"], "train", encoder, {})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    root = tmp_path_factory.mktemp("ranks")
    (root / "data").mkdir()
    for seed, (split, n) in enumerate(SIZES.items()):
        pairs(n, seed).to_parquet(root / "data" / f"{split}.parquet")
    examples = examples_of(tmp_path_factory.mktemp("train"), pairs(SIZES["train"], 0))
    train(BertForSequenceClassification, examples, Reranking(), root / "model", ("score",))
    for name, content in CROSS_ENCODER.items():
        (root / "model" / name).write_text(json.dumps(content))
    return root, *study(root, epsilon=0.1, trials=3)


def mean_ndcg(frame: pd.DataFrame, scores: Sequence[float]) -> float:
    """Return nDCG@10 over the queries by scikit-learn."""
    by_query = frame.assign(score=scores).groupby("query")
    telling = [each for _, each in by_query if each["relevance"].nunique() > 1]
    return float(np.mean([ndcg_score([each["relevance"]], [each["score"]], k=10) for each in telling]))


def test_a_front_of_rerankers_is_verified_by_query_and_smaller(finished: Finished) -> None:
    _, store, result = finished
    guessed = mean_ndcg(frame := pairs(SIZES["validation"], 1), np.random.default_rng(0).random(len(frame)))
    check_front(result, "ndcg@10", trivial=guessed, examples=SIZES["test"])
    assert all(member.verification and (member.verification.upper_95 or 0) > 0 for member in result.front)
    examples = store.study("small").context["examples"]
    assert (examples["search"]["n"], examples["calibration"]["n"] < SIZES["train"]) == (SIZES["validation"], True)


def test_an_exported_reranker_has_the_ndcg_that_was_verified(finished: Finished, tmp_path: Path) -> None:
    place = tmp_path / "out"
    verified, model, encode, card = export_smallest(finished, place)
    frame = pairs(SIZES["test"], 2)
    columns = [frame[name].tolist() for name in ("query", "document")]
    with torch.inference_mode():
        inputs = encode(*columns, padding=True, return_tensors="pt", return_token_type_ids=False)
        scores = model(**inputs).logits[:, 0].tolist()
    assert mean_ndcg(frame, scores) == pytest.approx(verified, abs=1e-5)
    assert "text-ranking" in card
    assert {name: json.loads((place / name).read_text()) for name in CROSS_ENCODER} == CROSS_ENCODER
    assert not any("sentence-transformers" in note for note in finished[2].notes)


def test_the_front_in_python_scores_pairs(finished: Finished) -> None:
    root, store, _ = finished
    small = next(iter(open_front("small", store=store, cache_dir=root / "cache")))
    frame = pairs(SIZES["test"], 2)
    scores = small.model.predict([*zip(frame["query"], frame["document"], strict=True)])
    assert small.verification is not None
    assert mean_ndcg(frame, scores) == pytest.approx(small.verification.accuracy, abs=1e-5)


def test_a_head_is_trained_and_stopped_by_whole_queries(tmp_path: Path) -> None:
    torch.manual_seed(0)
    examples = examples_of(tmp_path, pairs(60, 0))
    head = examples.take([3, 1])
    assert head.labels.shape[0] == 2
    assert len(head) == (examples.relevance[[3, 1]] >= 0).sum()
    scores = np.arange(len(head), dtype=np.float32)[:, None]
    assert Reranking().predictions(scores, head).shape == head.labels.shape
    assert len(examples.subset([0, 1])) == 2


def test_ndcg_and_mrr_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    relevance = np.where(rng.random((200, 15)) < 0.2, rng.integers(1, 4, (200, 15)), 0.0)
    relevance[:, 0] = 1.0
    scores = rng.random((200, 15))
    best = -np.sort(-relevance, axis=1)
    found = ranked(scores, relevance)
    assert RANKINGS["ndcg@10"].value(found, best) == pytest.approx(ndcg_score(relevance, scores, k=10))
    firsts = [1 + int(np.argmax(row > 0)) for row in np.take_along_axis(relevance, np.argsort(-scores), axis=1)]
    expected = np.mean([1 / first if first <= 10 else 0 for first in firsts])
    assert RANKINGS["mrr@10"].value(found, best) == pytest.approx(expected)
    assert Reranking().trivial(best) == pytest.approx(ndcg_score(relevance, np.zeros_like(scores), k=10), abs=0.01)


def test_equal_scores_are_ranked_worst_first() -> None:
    assert ranked(np.zeros((1, 3)), np.array([[2.0, 0.0, 1.0]])).tolist() == [[0, 1, 2]]


def test_rows_become_queries_and_what_is_set_aside_is_counted(tmp_path: Path) -> None:
    rows = [("a", "x", 1), ("b", "x", 0), ("a", "y", 0), ("b", "y", 0), ("a", "x", 1), ("a", None, 1), ("c", "z", None)]
    data = read(tmp_path, pd.DataFrame(rows, columns=["query", "passage", "label"]))
    assert data.source.kind == "reranking"
    assert data.source.metric == "ndcg@10"
    assert data.tables["test"].texts == (("a", "x", "y"),)
    assert data.tables["test"].labels.tolist() == [[1, 0]]
    assert data.notes == (
        "test: 1 of 7 rows without a text were set aside",
        "test: 1 of 7 rows without a relevance were set aside",
        "test: 1 of 7 rows that repeat another were set aside",
        "test: 1 of 2 queries whose documents are all equally relevant were set aside",
    )


def test_relevant_and_irrelevant_documents_of_a_row_are_read_alike(tmp_path: Path) -> None:
    wanted = ((("a", "x", "y", "z"), [1, 0, 0]), (("b", "x", "y", "w"), [1, 1, 0]))
    rows = [("a", ["x"], ["y", "z"]), ("b", ["x", "y"], "w")]
    lists = pd.DataFrame(rows, columns=["query", "positive", "negatives"])
    lists.to_json(tmp_path / "train.jsonl", orient="records", lines=True)
    triplets = pd.DataFrame([("a", "x", "y"), ("a", "x", "z")], columns=["anchor", "positive", "negative"])
    found = read(tmp_path, triplets).tables
    assert [*zip(found["train"].texts, found["train"].labels.tolist(), strict=True)] == [*wanted]
    assert [*zip(found["test"].texts, found["test"].labels.tolist(), strict=True)] == [wanted[0]]
    lists.assign(positive=[["x"], 3]).to_json(tmp_path / "train.jsonl", orient="records", lines=True)
    with pytest.raises(InputError, match="line 2, column 'positive': holds 3; write a text, or a list of texts"):
        read(tmp_path, triplets)
    lists.assign(positive=["w", "w"]).to_json(tmp_path / "train.jsonl", orient="records", lines=True)
    with pytest.raises(InputError, match="line 2, column 'relevance': relevance 0, but 1 before"):
        read(tmp_path, triplets)


def test_queries_say_what_is_asked_of_a_head_with_one_output(tmp_path: Path) -> None:
    pairs(3, 0).to_csv(tmp_path / "test.csv", index=False)
    spec = StudySpec.model_validate({"model": "m", "task": "mine", "epsilon": 0.1, "data": str(tmp_path)})
    likely = replace(resolve_task(spec), likely="regression")
    assert read_splits(spec, likely).source.kind == "reranking"
    (tmp_path / "test.csv").write_text("text,label\na,0.5\nb,1.5\n")
    assert read_splits(spec, likely).source.kind == "regression"


@pytest.mark.parametrize(
    ("rows", "more", "named"),
    [
        ([("a", "x", 1), ("a", "x", 2)], {}, "line 3, column 'relevance': relevance 2, but 1 before .*; keep one"),
        ([("a", "x", -1), ("a", "y", 2)], {}, "line 2, column 'relevance': relevance -1; write 0"),
        ([("a", "x", "yes")], {}, "line 2, column 'relevance': a number is needed, got 'yes'"),
        ([("a", "x", 1)], {"text_columns": ["query"], "metric": "mrr@10"}, "name the columns of query and document"),
        ([("a", "x", 1)], {}, "no split has labelled texts; test: 1 of 1 queries whose documents are all equally"),
    ],
)
def test_what_ranks_nothing_is_refused(rows: list[Any], more: dict[str, Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=named):
        read(tmp_path, pd.DataFrame(rows, columns=["query", "document", "relevance"]), **more)


def test_no_query_is_in_two_roles(tmp_path: Path) -> None:
    frame = pairs(40, 0)
    splits = cut(read(tmp_path, frame).tables, calibration=40)
    roles = [{texts[0] for texts in getattr(splits, role).texts} for role in ("calibration", "search", "verification")]
    assert sum(map(len, roles)) == len(set().union(*roles))
    assert 25 <= splits.calibration.inputs <= 55
    other = frame[frame["query"].isin(frame["query"].unique()[:20])].assign(
        document=lambda rows: "w1 " + rows["document"]
    )
    tables = {"train": read(tmp_path, frame).tables["test"], "test": read(tmp_path, other).tables["test"]}
    assert any(note.endswith("among the search or verification examples") for note in cut(tables, calibration=40).notes)
