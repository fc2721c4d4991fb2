"""Save a trained checkpoint in the cache atomically, even if another process writes the same one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from optimizer.quiet import quiet_transformers
from optimizer.training.history import History, read, stored
from search_spaces.files import written_whole

HISTORY = "training.json"  # beside the weights: what their training spent


def keep_checkpoint(
    model: Any,  # Any: one transformers class per family
    tokenizer: Any,
    place: Path,
    *,
    history: History = (),
) -> None:
    """Save model, tokenizer and the history of the training, where it is told, as directory `place`.

    If another process was faster, its checkpoint is kept. Raises `OSError` where the disk refuses.
    """
    try:
        with written_whole(place) as temporary, quiet_transformers():
            model.save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
            if history:
                (temporary / HISTORY).write_text(json.dumps(stored(history)), encoding="utf-8")
    except SafetensorError as error:  # raised for a full disk, in place of OSError
        remedy = "Free some space or choose another `cache_dir`"
        raise OSError(f"cache-dir: cannot write {place}: {error}. {remedy}") from error
    except OSError:
        if not place.is_dir():
            raise


def kept_history(place: Path) -> History:
    """Return the history of a kept checkpoint's training, empty where none is known."""
    known = place / HISTORY
    return read(json.loads(known.read_text(encoding="utf-8"))) if known.is_file() else ()
