"""Keep: a trained checkpoint in the cache, whole or not at all, whoever else is writing the same one."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors import SafetensorError

from optimizer.quiet import quiet_transformers


def keep_checkpoint(model: Any, tokenizer: Any, place: Path) -> None:  # Any: one transformers class per family
    """Save model and tokenizer as directory `place`: under a temporary name first, then renamed.

    Where another process was quicker its checkpoint stays. Raises `OSError` where the disk refuses.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as scratch:
        whole = Path(scratch) / place.name
        try:
            with quiet_transformers():
                model.save_pretrained(whole)
        except SafetensorError as error:  # what it raises for a full disk, and no OSError
            remedy = "Free some space or choose another place with --cache-dir"
            raise OSError(f"cache-dir: cannot write {place}: {error}. {remedy}") from error
        tokenizer.save_pretrained(whole)
        try:
            whole.rename(place)
        except OSError:
            if not place.is_dir():
                raise
