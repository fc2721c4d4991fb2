"""Save a trained checkpoint in the cache atomically, even if another process writes the same one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from optimizer.quiet import quiet_transformers
from search_spaces.files import written_whole


def keep_checkpoint(model: Any, tokenizer: Any, place: Path) -> None:  # Any: one transformers class per family
    """Save model and tokenizer as directory `place`.

    If another process was faster, its checkpoint is kept. Raises `OSError` where the disk refuses.
    """
    try:
        with written_whole(place) as temporary, quiet_transformers():
            model.save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
    except SafetensorError as error:  # raised for a full disk, in place of OSError
        remedy = "Free some space or choose another `cache_dir`"
        raise OSError(f"cache-dir: cannot write {place}: {error}. {remedy}") from error
    except OSError:
        if not place.is_dir():
            raise
