from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import ndcg_score
from tiny_checkpoints import sentences, tokenizer
from tiny_embedders import embedded, save_folder
from trained_tasks import Finished, check_front, export_smallest, study
from transformers import BertModel

from optimizer.errors import InputError
from optimizer.spec import StudySpec
from optimizer.tasks.embeddings.embedder import Embedder
from optimizer.tasks.embeddings.pooling import read_pooling
from optimizer.tasks.ranking.rankings import Retrieval
from optimizer.tasks.ranking.reader import RetrievalReader
from optimizer.tasks.texts.data import Data, read_splits
from optimizer.tasks.texts.examples import Encoder
from optimizer.tasks.texts.known import resolve_task

DOCUMENTS, SIZES = 80, {"train": 30, "dev": 30, "test": 40}
Judgements = dict[tuple[int, int], int]  # query, document -> relevance


def save_collection(place: Path, corpus: list[str], queries: list[str], splits: dict[str, Judgements]) -> Path:
    """Save a directory as BEIR's."""
    (place / "qrels").mkdir(parents=True)
    for name, prefix, texts in (("corpus", "d", corpus), ("queries", "q", queries)):
        rows = [json.dumps({"_id": f"{prefix}{i}", "text": text}) for i, text in enumerate(texts)]
        (place / f"{name}.jsonl").write_text("\n".join(rows))
    for split, judged in splits.items():
        lines = [f"q{query}\td{document}\t{relevance}" for (query, document), relevance in judged.items()]
        (place / "qrels" / f"{split}.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]))
    return place


def cosines(model: Any, encode: Any, corpus: list[str], queries: list[str]) -> np.ndarray:
    one, other = (embedded(model, encode, texts) for texts in (queries, corpus))
    return one @ other.T


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A study whose relevant documents are the nearest ones of the dense model, with some drawn by lot."""
    root, rng = tmp_path_factory.mktemp("retrieval"), np.random.default_rng(0)
    place = save_folder(root / "model")
    dense = Embedder(BertModel.from_pretrained(place, add_pooling_layer=False), read_pooling(place)).eval()
    corpus, queries = sentences(DOCUMENTS, 0), sentences(sum(SIZES.values()), 1)
    nearest = np.argsort(-cosines(dense, tokenizer(), corpus, queries), axis=1)
    splits, first = {}, 0
    for split, n in SIZES.items():
        near = {(q, int(d)): 3 - rank for q in range(first, first + n) for rank, d in enumerate(nearest[q, :3])}
        splits[split] = near | {(q, int(rng.integers(DOCUMENTS))): 1 for q in range(first, first + n)}
        first += n
    save_collection(root / "data", corpus, queries, splits)
    return root, *study(root, epsilon=0.2, metric="cosine-ndcg@10", trials=3)


def test_a_front_of_embedders_is_verified_by_query_and_exported(finished: Finished, tmp_path: Path) -> None:
    root, store, result = finished
    check_front(result, "cosine-ndcg@10", trivial=0.1, examples=SIZES["test"])
    assert store.study("small").context["examples"]["search"]["n"] == SIZES["dev"]
    verified, model, encode, _ = export_smallest(finished, tmp_path / "out")
    relevance = np.zeros((SIZES["test"], DOCUMENTS))
    for line in (root / "data" / "qrels" / "test.tsv").read_text().splitlines()[1:]:
        query, document, value = line.split("\t")
        relevance[int(query[1:]) - SIZES["train"] - SIZES["dev"], int(document[1:])] = int(value)
    found = cosines(model, encode, sentences(DOCUMENTS, 0), sentences(sum(SIZES.values()), 1)[-SIZES["test"] :])
    assert ndcg_score(relevance, found, k=10) == pytest.approx(verified, abs=1e-4)


def test_a_folder_with_prompts_is_refused(finished: Finished, tmp_path: Path) -> None:
    place = save_folder(tmp_path / "model")
    (place / "config_sentence_transformers.json").write_text('{"prompts": {"query": "query: ", "document": ""}}')
    with pytest.raises(InputError, match="has prompts 'query', which are not added here: write them into the texts"):
        study(finished[0], "prompts", epsilon=0.2, metric="cosine-ndcg@10", model=str(place))


def read(place: Path, **more: object) -> Data:
    spec = StudySpec.model_validate({"model": "m", "task": "mine", "epsilon": 0.1, "data": str(place), **more})
    return read_splits(spec, resolve_task(spec))


def test_a_collection_is_read_by_ids_and_ranks_its_whole_corpus(tmp_path: Path) -> None:
    texts = ["w1 w2", "w3", "w4 w5", "w3", "w6"]
    place = save_collection(
        tmp_path / "data", texts, ["w1", "w3", "w7", "w7"], {"test": {(0, 0): 1, (1, 2): 1, (2, 4): 0}}
    )
    data = read(place)
    assert (data.source.kind, data.source.metric) == ("retrieval", "cosine-ndcg@10")
    table = data.tables["test"]
    assert (table.texts, table.documents) == ((("w1", "w1 w2"), ("w3", "w4 w5")), ("w1 w2", "w3", "w4 w5", "w6"))
    assert data.notes == (
        "corpus: 1 of 5 documents without a text, or with that of another, were set aside",
        "queries: 1 of 4 have the text of another and share its judgements",
        "test: 1 of 3 queries without a relevant document were set aside",
    )
    examples = RetrievalReader().examples(table, "test", Encoder(tokenizer=tokenizer(), max_length=16), {})
    assert len(examples) == 5  # w3 is a query and a document
    answers = np.eye(5, dtype=np.float32)[[0, 1, 0, 1, 2]]  # w1, w3, w1 w2, w4 w5, w6
    first, second = Retrieval().predictions(answers, examples)
    assert (first[0], second[0]) == (1.0, 1.0)  # w3 is no document of itself


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            {"qrels/test.tsv": "query-id\tcorpus-id\tscore\nq0\td9\t1"},
            "line 2, column 'corpus-id': 'd9' is no id of corpus",
        ),
        ({"queries.jsonl": '{"_id": "q0", "text": 3}'}, "line 1, column 'text': holds 3; write the text as a string"),
        ({"queries.jsonl": '{"_id": "q0", "text": "a"}\n' * 2}, "line 2, column '_id': the id 'q0' occurs twice"),
        ({"queries.jsonl": '{"text": "a", "_id": null}'}, "line 1, column '_id': no id; give each text its own"),
        ({"qrels/test.tsv": "query\tcorpus-id\tscore\nq0\td9\t1"}, "no column 'query-id'"),
    ],
)
def test_broken_collections_are_refused_by_row(change: dict[str, str], named: str, tmp_path: Path) -> None:
    place = save_collection(tmp_path / "data", ["w1"], ["w2"], {"test": {(0, 0): 1}})
    for name, content in change.items():
        (place / name).write_text(content)
    with pytest.raises(InputError, match=named):
        read(place)
