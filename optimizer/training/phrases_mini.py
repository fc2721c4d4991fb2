"""`phrases-mini`: the built-in model, a small BERT trained on the built-in task at first use and cached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from optimizer.tasks.classification import Classification
from optimizer.tasks.texts.examples import Examples, tokenise
from optimizer.tasks.texts.phrases import phrases_tables
from optimizer.torchvision_ops import admit_torchvision
from optimizer.training.batches import short_first
from optimizer.training.finetune import FinetuneSettings, finetune
from optimizer.training.keep import keep_checkpoint
from optimizer.training.randomness import own_randomness

NAME = "phrases-mini-4"  # a new number for every change of grammar, shape or training
LABELS = ("negative", "positive")
SHAPE: dict[str, Any] = {  # Any: arguments of several types
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "intermediate_size": 512,
    "max_position_embeddings": 64,
    "initializer_range": 0.05,  # with the usual 0.02 such a narrow model hardly learns
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
SETTINGS = FinetuneSettings(learning_rate=1e-3, batch_size=32, epochs=1, warmup=0.1, seed=0)
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def phrases_mini(cache_dir: Path, *, progress: Callable[[str, int, int], None]) -> Path:
    """Return the directory of the trained checkpoint, training it where the cache has none.

    A killed training leaves no files; two concurrent trainings give equivalent results.
    """
    kept = cache_dir / "checkpoints" / NAME
    if kept.is_dir():
        return kept
    table = phrases_tables()["train"]
    tokenizer = _tokenizer(list(table["sentence"]))
    model = _fresh_model(len(tokenizer))
    trained = finetune(
        model,
        _examples(table, tokenizer),
        held_out=None,  # validation and test are excluded: studies search and verify on them
        task=Classification(),
        settings=SETTINGS,
        order=short_first,  # one epoch then teaches nearly what two shuffled ones teach
        progress=lambda done, total: progress("training phrases-mini, once", done, total),
    )
    keep_checkpoint(model, tokenizer, kept, history=trained.history)
    return kept


def _tokenizer(texts: list[str]) -> Any:  # Any: transformers is untyped
    admit_torchvision()
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    words = sorted({word for text in texts for word in text.split()})
    made = Tokenizer(WordLevel({word: i for i, word in enumerate([*SPECIAL, *words])}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    make: Any = PreTrainedTokenizerFast  # untyped
    return make(tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")


def _fresh_model(vocabulary: int) -> Any:
    admit_torchvision()
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=vocabulary,
        id2label=dict(enumerate(LABELS)),
        label2id={name: index for index, name in enumerate(LABELS)},
        **SHAPE,
    )
    with own_randomness(SETTINGS.seed, torch.device("cpu")):
        return BertForSequenceClassification(config)


def _examples(table: Any, tokenizer: Any) -> Examples:
    texts = [(text,) for text in table["sentence"]]
    return tokenise(tokenizer, texts, table["label"].to_numpy(), role="train", digest="", max_length=64)
