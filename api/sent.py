"""Sent files: tables that a request brings inside its JSON, kept below the artifacts until a worker has read them."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from optimizer.errors import InputError
from optimizer.tasks.texts.files import READERS

_FORMATS = "|".join(suffix.removeprefix(".") for suffix in READERS)
_NAME = rf"^[^/\\\x00-\x1f\x7f-\x9f]{{1,50}}\.({_FORMATS})$"
_BASE64 = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


class SentFile(BaseModel):
    """A table as a file: its name, whose end says the format, and its bytes in base64."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=_NAME)]
    content: Annotated[str, Field(pattern=_BASE64)]

    def written(self, folder: Path) -> Path:
        """Write the file into a folder, and return its path."""
        path = folder / self.name
        path.write_bytes(b64decode(self.content))
        return path


@contextmanager
def in_plain_names(path: Path) -> Iterator[None]:
    """Let an `InputError` name the file alone, without the folder of this machine that it is read from."""
    try:
        yield
    except InputError as error:
        said = str(error).removeprefix(f"{error.field}: ").replace(f"{path.parent}/", "")
        raise InputError(error.field, said) from error
