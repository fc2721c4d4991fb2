from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertTokenizerFast

from optimizer.tasks.texts.examples import tokenise


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> BertTokenizerFast:
    words = {word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"])}
    made = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    path: Path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    made.save(str(path))
    return BertTokenizerFast(tokenizer_file=str(path))


def test_only_texts_longer_than_the_limit_count_as_cut(tokenizer: BertTokenizerFast) -> None:
    texts = [("a " * n,) for n in (3, 5, 6, 7, 40)]
    examples = tokenise(tokenizer, texts, np.zeros(5, int), role="search", digest="", max_length=8)
    assert examples.lengths.tolist() == [5, 7, 8, 8, 8]
    assert examples.cut == 2


def test_pairs_count_once(tokenizer: BertTokenizerFast) -> None:
    texts = [("a a", "a"), ("a a", "a a"), ("a a a", "a a"), ("a a a", "a a a a")]
    examples = tokenise(tokenizer, texts, np.zeros(4, int), role="search", digest="", max_length=7)
    assert examples.cut == 2
