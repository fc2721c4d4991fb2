"""Small sets of three tasks, made of SICK and WNUT 2017: `python -m benchmarks.task_sets SICK WNUT OUT`.

`OUT/reranking`: a query is a sentence of SICK, its documents are the sentences that people compared with it. The
relevance is 2 from a relatedness of 4.5, 1 from 4, else 0. `OUT/retrieval`: the same as a directory like BEIR's.
`OUT/questions`: a question asks for one kind of entity that a sentence of WNUT names; each entity of it is right.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

SPLITS = ("train", "validation", "test")
COMPARED = 5  # documents of a query, at least
RERANKING = {"train": 400, "validation": 160, "test": 500}  # queries
RETRIEVAL = {"train": 60, "dev": 120, "test": 240}
QUESTIONS = {
    "person": "Who is named?",
    "location": "Which place is named?",
    "corporation": "Which company is named?",
    "group": "Which group is named?",
    "product": "Which product is named?",
    "creative-work": "Which work is named?",
}

Judged = Mapping[str, Mapping[str, int]]  # documents with their relevance, by query


def main() -> None:
    """Write the three sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("sick", "wnut", "out"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    judged = _judged(pd.concat(pd.read_parquet(given.sick / f"{split}.parquet") for split in SPLITS))
    _write_rows(judged, _directory(given.out / "reranking"))
    _write_collection(judged, _directory(given.out / "retrieval" / "qrels").parent)
    for split in SPLITS:
        sentences = pd.read_parquet(given.wnut / f"{split}.parquet")
        rows = [
            row for words, tags in zip(sentences.tokens, sentences.tags, strict=True) for row in _asked(words, tags)
        ]
        pd.DataFrame(rows).to_parquet(_directory(given.out / "questions") / f"{split}.parquet")


def _directory(place: Path) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    return place


def _judged(pairs: pd.DataFrame) -> Judged:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for first, second, related in zip(pairs.sentence_A, pairs.sentence_B, pairs.relatedness, strict=True):
        for query, document in ((first, second), (second, first)):
            found[query].setdefault(document, int(related >= 4) + int(related >= 4.5))
    queries = sorted(query for query, documents in found.items() if len(documents) >= COMPARED)
    np.random.default_rng(0).shuffle(queries)
    return {query: found[query] for query in queries}


def _parts(judged: Judged, sizes: Mapping[str, int]) -> Iterator[tuple[str, Judged]]:
    queries = iter(judged.items())
    for split, size in sizes.items():
        yield split, dict(next(queries) for _ in range(size))


def _write_rows(judged: Judged, place: Path) -> None:
    for split, part in _parts(judged, RERANKING):
        rows = [(query, *pair) for query, documents in part.items() for pair in documents.items()]
        pd.DataFrame(rows, columns=["query", "document", "relevance"]).to_parquet(place / f"{split}.parquet")


def _write_collection(judged: Judged, place: Path) -> None:
    answered = {query: documents for query, documents in judged.items() if any(documents.values())}
    parts = dict(_parts(answered, RETRIEVAL))
    texts = {
        "queries": [query for part in parts.values() for query in part],
        "corpus": list({text: 0 for part in parts.values() for documents in part.values() for text in documents}),
    }
    ids = {kind: {text: f"{kind}{index}" for index, text in enumerate(some)} for kind, some in texts.items()}
    for kind, known in ids.items():
        lines = [json.dumps({"_id": name, "text": text}) for text, name in known.items()]
        (place / f"{kind}.jsonl").write_text("\n".join(lines))
    for split, part in parts.items():
        lines = [
            f"{ids['queries'][query]}\t{ids['corpus'][document]}\t{relevance}"
            for query, documents in part.items()
            for document, relevance in documents.items()
        ]
        (place / "qrels" / f"{split}.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]))


def _asked(words: Sequence[str], tags: Sequence[str]) -> Iterator[dict[str, object]]:
    context = " ".join(words)
    for kind, spans in _named(words, tags).items():
        answers = {"text": [context[start:end] for start, end in spans], "answer_start": [start for start, _ in spans]}
        yield {"question": QUESTIONS[kind], "context": context, "answers": answers}


def _named(words: Sequence[str], tags: Sequence[str]) -> Mapping[str, list[tuple[int, int]]]:
    """Return the first and last character of the entities of each kind, in the words joined by spaces."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    start = 0
    for word, tag in zip(words, tags, strict=True):
        place, _, kind = tag.partition("-")
        end = start + len(word)
        if place == "B":
            found[kind].append((start, end))
        elif place == "I":
            found[kind][-1] = (found[kind][-1][0], end)
        start = end + 1
    return found


if __name__ == "__main__":
    main()
