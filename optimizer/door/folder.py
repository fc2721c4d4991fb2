"""Folder: a temporary directory that lives as long as what it belongs to."""

from __future__ import annotations

import shutil
import weakref
from pathlib import Path
from tempfile import mkdtemp


class Folder:
    """A new directory, removed when this object is no longer used."""

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix="optimize-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
