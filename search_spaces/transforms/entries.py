"""The bank's files: safetensors, written whole, read memory-mapped.

Two processes that fill the same entry write the same bytes, and the last rename wins: harmless.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from search_spaces.files import written_whole


class BankFileError(OSError):
    """An entry of the bank cannot be written or read; the text names the place and the remedy."""


def write_entry(path: Path, tensors: Mapping[str, Tensor], *, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors to `path`, wholly or not at all. Raises `BankFileError` where the disk refuses."""
    whole = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
    try:
        with written_whole(path, durable=False) as temporary:  # hundreds of entries; a damaged one counts as absent
            write_tensors(temporary, whole, metadata)
    except (OSError, SafetensorError) as error:
        raise BankFileError(refusal(path, error)) from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a file that whoever may read new files here may read: safetensors makes it its owner's alone.

    Raises `OSError` or `SafetensorError` where the disk refuses.
    """
    path.touch()
    mode = path.stat().st_mode
    save_file(dict(tensors), path, metadata=dict(metadata) if metadata else None)
    path.chmod(mode)


def read_entry(path: Path) -> dict[str, Tensor] | None:
    """Return the memory-mapped tensors of `path`, or None where there is no whole file.

    A damaged file (cut off by a crash of the machine) counts as absent and is filled again.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError:
        return None


def read_metadata(path: Path) -> Mapping[str, str]:
    """Return what `write_entry` kept beside the tensors, nothing where there is no file."""
    if not path.exists():
        return {}
    with safe_open(path, framework="pt") as file:
        known: Mapping[str, str] = file.metadata() or {}
    return known


def refusal(path: Path, error: Exception) -> str:
    """Return why a place cannot be written, and the remedy."""
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
    reason = "no space is left on the disk" if full else str(error)
    return f"cannot write {path}: {reason}. Free some space or choose another `cache_dir`"
