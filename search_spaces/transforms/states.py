"""States: what the layers of a chain read, and the gradients by it, on disk between two layers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from torch import Tensor

from search_spaces.files import written_whole
from search_spaces.transforms.entries import BankFileError, read_entry, refusal, write_entry

READ, FELT = "read", "felt"  # hidden states that a layer reads, and the gradient of the answers by them


class States:
    """Hidden states by the index of the layer that reads them, the batch, and the call in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mark = folder / "reached.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Have other processes wait outside the block; the lock ends with the process that holds it.

        Raises `BankFileError` where the disk refuses.
        """
        lock = FileLock(self.folder.with_suffix(".lock"))
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise BankFileError(refusal(self.folder, error)) from error
        try:
            yield
        finally:
            lock.release()

    def reached(self, digest: str) -> int | None:
        """Return the last layer that was finished before, None where there is none; of other inputs all is removed."""
        try:
            mark = json.loads(self._mark.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            mark = {}
        self._digest = digest
        if mark.get("digest") == digest:
            return int(mark["layer"])
        self.remove()
        return None

    def reach(self, layer: int) -> None:
        """Note that a layer is finished, and remove what nothing reads any more."""
        with written_whole(self._mark, durable=False) as temporary:
            temporary.write_text(json.dumps({"digest": self._digest, "layer": layer}), encoding="utf-8")
        for path in (*self.folder.glob(f"{READ}-{layer:04d}-*"), *self.folder.glob(f"{FELT}-{layer + 1:04d}-*")):
            path.unlink()

    def write(self, kind: str, layer: int, batch: int, call: int, states: Tensor) -> None:
        """Keep states. Raises `BankFileError` where the disk refuses, which gets its room back."""
        try:
            write_entry(self._place(kind, layer, batch, call), {kind: states})
        except BankFileError:
            self.remove()
            raise

    def read(self, kind: str, layer: int, batch: int, call: int, like: Tensor) -> Tensor:
        """Return states on the device of others. Raises `OSError` where they are gone."""
        place = self._place(kind, layer, batch, call)
        entry = read_entry(place)
        if entry is None:
            raise OSError(f"{place} vanished while it was needed; run again")
        return entry[kind].to(like.device, copy=True)  # not the file itself, which may be overwritten

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _place(self, kind: str, layer: int, batch: int, call: int) -> Path:
        return self.folder / f"{kind}-{layer:04d}-{batch:06d}-{call}.safetensors"
