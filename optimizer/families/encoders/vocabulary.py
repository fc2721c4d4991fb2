"""Vocabulary: whether a checkpoint has a tokenizer, and whether the model embeds all its tokens."""

from __future__ import annotations

from pathlib import Path

from optimizer.errors import InputError
from optimizer.families.encoders.checkpoint import Checkpoint

FILES = (("tokenizer.json",), ("vocab.txt",), ("vocab.json", "merges.txt"), ("tokenizer.model",))


def check_tokenizer_files(checkpoint: Checkpoint) -> None:
    """Raise `InputError` for a checkpoint without a tokenizer, or with one of more tokens than the model embeds."""
    directory = checkpoint.directory
    if not any(all((directory / name).exists() for name in names) for names in FILES):
        raise InputError(
            "model",
            f"{directory} has no tokenizer files ({', '.join(' and '.join(names) for names in FILES)}); "
            "save the tokenizer there: tokenizer.save_pretrained(…)",
        )
    if (directory / "tokenizer.json").exists():
        check_highest_id(_highest_id(directory / "tokenizer.json"), checkpoint)


def check_highest_id(highest: int, checkpoint: Checkpoint) -> None:
    """Raise `InputError` where the model has no embedding for the tokenizer's `highest` token id."""
    if highest >= checkpoint.words:
        raise InputError(
            "model",
            f"the tokenizer in {checkpoint.directory} has token ids up to {highest}, the model embeds "
            f"{checkpoint.words} tokens; save the tokenizer that it was trained with, or resize its embeddings",
        )


def _highest_id(path: Path) -> int:
    from tokenizers import Tokenizer

    try:
        vocabulary = Tokenizer.from_file(str(path)).get_vocab(with_added_tokens=True)
    except Exception as error:  # the library raises no narrower class
        raise InputError("model", f"{path} is damaged: {error}") from error
    return max(vocabulary.values(), default=0)
