"""The bank's files: safetensors, written under a temporary name and renamed, read memory-mapped.

Two processes that fill the same entry write the same bytes, and the last rename wins: harmless.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


class BankFileError(OSError):
    """An entry of the bank cannot be written or read; the text names the place and the remedy."""


def write_entry(path: Path, tensors: Mapping[str, Tensor], *, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors to `path`, wholly or not at all. Raises `BankFileError` where the disk refuses."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
        save_file(whole, temporary, metadata=dict(metadata) if metadata else None)
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise BankFileError(_refusal(path, error)) from error


def read_entry(path: Path) -> dict[str, Tensor] | None:
    """Return the memory-mapped tensors of `path`, or None where there is no whole file.

    A damaged file (cut off by a crash of the machine) counts as absent and is filled anew.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError:
        return None


def _refusal(path: Path, error: Exception) -> str:
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
    reason = "no space is left on the disk" if full else str(error)
    return f"cache-dir: cannot write {path}: {reason}. Free some space or choose another place with --cache-dir"
