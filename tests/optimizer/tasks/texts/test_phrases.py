from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from optimizer.predict import predict
from optimizer.tasks.classification import Classification
from optimizer.tasks.texts import phrases
from optimizer.tasks.texts.examples import tokenise
from optimizer.training.phrases_mini import phrases_mini


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return phrases.phrases_tables()


@pytest.fixture(scope="module")
def bag_of_words(tables: dict[str, pd.DataFrame]) -> float:
    """The accuracy of counting words."""
    words = CountVectorizer(token_pattern=r"\S+")
    counts = words.fit_transform(tables["train"]["sentence"])
    model = LogisticRegression(max_iter=500).fit(counts, tables["train"]["label"])
    return float(model.score(words.transform(tables["test"]["sentence"]), tables["test"]["label"]))


def test_the_tables_are_the_same_everywhere(tables: dict[str, pd.DataFrame]) -> None:
    text = "\n".join(f"{s}\t{label}" for table in tables.values() for s, label in table.itertuples(index=False))
    assert sha256(text.encode()).hexdigest()[:16] == "741734acc7044285"


def test_splits_are_balanced_and_share_no_sentence(tables: dict[str, pd.DataFrame]) -> None:
    sentences = [sentence for table in tables.values() for sentence in table["sentence"]]
    assert len(sentences) == len(set(sentences)) == sum(phrases.SIZES.values())
    for table in tables.values():
        assert table["label"].mean() == 0.5


def test_negation_turns_an_opinion_and_a_second_one_turns_it_back() -> None:
    for seed in range(50):
        once = phrases.negated(np.random.default_rng(seed))
        twice = phrases.doubly_negated(np.random.default_rng(seed))
        assert once.words in twice.words
        assert twice.opinion == -once.opinion
        word = once.words.split()[-1]
        assert (once.opinion > 0) == (word in phrases.BAD)


def test_what_stands_behind_but_decides() -> None:
    rng = np.random.default_rng(0)
    decided = 0
    for clause in (phrases.contrast(rng) for _ in range(400)):
        parts = clause.words.split(" but ")
        if len(parts) != 2 or "anything" in clause.words or not parts[1].startswith("the "):
            continue
        word = parts[1].split()[-1]
        is_denied = any(denial in parts[1].split() for denial in ("not", "never", "hardly", "far"))
        assert (clause.opinion > 0) == ((word in phrases.GOOD) != is_denied)
        decided += 1
    assert decided > 30


def test_the_stronger_of_two_opinions_decides() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        clause = phrases.weighed(rng)
        strong = next(part for part in clause.words.split(" and ") if any(w in part for w in phrases.STRONG))
        assert (clause.opinion > 0) == (strong.split()[-1] in phrases.GOOD)


def test_counting_words_is_not_enough(bag_of_words: float) -> None:
    assert bag_of_words < 0.75


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return phrases_mini(tmp_path_factory.mktemp("mini"), progress=lambda _text, _done, _total: None)


def test_the_built_in_model_reads_more_than_words(
    mini: Path, tables: dict[str, pd.DataFrame], bag_of_words: float
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, encode = AutoModelForSequenceClassification.from_pretrained(mini).eval(), AutoTokenizer.from_pretrained(mini)
    table = tables["test"]
    texts = [(text,) for text in table["sentence"]]
    examples = tokenise(encode, texts, table["label"].to_numpy(), role="test", digest="", max_length=64)
    accuracy = float((predict(model, examples, Classification()).argmax(axis=1) == examples.labels).mean())
    assert accuracy >= bag_of_words + 0.10


def test_the_built_in_model_is_trained_once(mini: Path) -> None:
    def refuse(_text: str, _done: int, _total: int) -> None:
        pytest.fail("it was trained again")

    before = (mini / "model.safetensors").stat().st_mtime_ns
    assert phrases_mini(mini.parents[1], progress=refuse) == mini
    assert (mini / "model.safetensors").stat().st_mtime_ns == before
