"""The manifest: the shapes and figures of an exported model."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from optimizer.errors import InputError
from optimizer.views.member import Member
from search_spaces.config import Form
from search_spaces.transforms.table import MASKS, UNITS

FILE = "manifest.json"
SCHEMA_VERSION = 3  # 2 names no transforms; 1 has neither dtype nor dense_size_bytes; its weights are float32


class LayerShape(BaseModel):
    """The units that one encoder layer keeps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    heads: int
    neurons: int


class Manifest(BaseModel):
    """Per-layer shapes, the hash of the weights, and the member's view."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 2  # 3 where there are transforms, so that older readers take what they can read
    model_type: str
    config: dict[str, int]  # group -> units kept, from which the loader builds the model
    form: str
    transforms: dict[str, dict[str, int]] | None = None  # transform -> group -> level, unless `config` says all
    sparsity: dict[str, float] | None = None  # of masked weights: layer -> share of zeros in the tensors written
    layers: tuple[LayerShape, ...]
    weights_sha256: str
    dtype: str = "float32"  # of most weights in the file
    dense_size_bytes: int | None = None  # size of the dense model in the same types
    study: str
    task: str
    metric: str
    epsilon: float | None  # None where limits alone bounded the study
    member: Member

    @property
    def applied(self) -> dict[str, dict[str, int]]:
        """The levels of all transforms in their order."""
        return self.transforms or {MASKS if self.form == Form.MASKED else UNITS: self.config}

    def written(self) -> str:
        """Return the manifest as JSON, without what older readers do not know where there is nothing of it."""
        own = {"own", "own_ratios", "memory_backend", "memory_ratio"}  # which the card states
        if self.member.bit_operations is None:
            own |= {"bit_operations", "bit_operations_ratio"}
        if self.member.answered is None:
            own |= {"answered"}
        if self.transforms is None:
            return self.model_dump_json(indent=1, exclude={"transforms": True, "member": {"transforms", *own}})
        written = self.model_copy(update={"schema_version": SCHEMA_VERSION})
        return written.model_dump_json(indent=1, exclude={"member": own})


def read_manifest(directory: Path) -> Manifest:
    """Return the manifest of an exported model. Raises `InputError` if it is missing, damaged or newer."""
    path = directory / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(data, dict) and data.get("schema_version", 0) > SCHEMA_VERSION:
            raise InputError("directory", f"{path} is of a newer version; update pruning-optimizer to load it")
        return Manifest.model_validate(data)
    except FileNotFoundError:
        raise InputError("directory", f"{directory} has no {FILE}; give the directory of an exported model") from None
    except (OSError, ValueError, ValidationError) as error:
        raise InputError("directory", f"{path} is damaged: {error}") from error


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
