"""Tokenizer: read from the checkpoint's own files, and checked against the tokens that the model knows."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.errors import InputError
from optimizer.families.encoders.checkpoint import Checkpoint
from optimizer.families.encoders.vocabulary import check_highest_id, check_tokenizer_files
from optimizer.torchvision_ops import admit_torchvision

if TYPE_CHECKING:
    from optimizer.tasks.texts.examples import Examples

MOST_UNKNOWN = 0.2  # of the tokens of all texts


def load_tokenizer(checkpoint: Checkpoint, *, is_split: bool = False) -> Any:  # Any: one class per family
    """Return the tokenizer, which gives token types only if the model distinguishes them; `is_split`: of single words.

    Raises `InputError` for files that cannot be read or do not fit the model.
    """
    check_tokenizer_files(checkpoint)
    admit_torchvision()
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoTokenizer

    try:
        load = partial(
            AutoTokenizer.from_pretrained, checkpoint.directory, local_files_only=True, trust_remote_code=False
        )
        tokenizer = load()
        if is_split and getattr(tokenizer, "add_prefix_space", True) is False:
            tokenizer = load(add_prefix_space=True)  # a word of its own begins as one inside a sentence does
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, StrictDataclassError) as error:
        raise InputError("model", f"the tokenizer in {checkpoint.directory} cannot be loaded: {error}") from error
    ids = set(tokenizer.get_vocab().values())
    if ids <= set(tokenizer.all_special_ids):
        raise InputError("model", f"the tokenizer in {checkpoint.directory} knows no words; save it there again")
    check_highest_id(max(ids), checkpoint)
    if not checkpoint.tells_parts:
        tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
    return tokenizer


def check_tokens(roles: Iterable[Examples], tokenizer: Any, checkpoint: Checkpoint) -> None:
    """Raise `InputError` if a fifth of the texts' tokens are unknown to the tokenizer."""
    ids = np.concatenate([row for examples in roles for row in examples.token_ids])
    around = [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id]
    words = ids[~np.isin(ids, [token for token in around if token is not None])]
    unknown = (
        float(np.mean(words == tokenizer.unk_token_id)) if tokenizer.unk_token_id is not None and len(words) else 0
    )
    if unknown > MOST_UNKNOWN:
        raise InputError(
            "model",
            f"the tokenizer of {checkpoint.name} does not know {unknown:.0%} of the texts' tokens "
            f"({tokenizer.unk_token}); give a model of the texts' language, with the tokenizer it was trained with",
        )
