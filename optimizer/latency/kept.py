"""Tables in the cache, one file for each device, model shape and request."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from search_spaces.files import written_whole

Table = TypeVar("Table", bound=BaseModel)


def kept_table(
    kind: type[Table], holds_for: Mapping[str, object], cache_dir: Path, build: Callable[[], Table]
) -> Table:
    """Return the cached table for the conditions `holds_for` (JSON data), or build and cache it."""
    key = sha256(json.dumps(dict(holds_for), sort_keys=True).encode()).hexdigest()[:24]
    path = cache_dir / "latency" / f"{key}.json"
    if path.exists():
        return kind.model_validate_json(path.read_text())
    table = build()
    with written_whole(path) as temporary:
        temporary.write_text(table.model_dump_json())
    return table
