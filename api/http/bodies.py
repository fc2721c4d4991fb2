"""Bodies: JSON that every program reads in the same way. Ambiguous JSON is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Never

MOST_DEPTH = 32


def why_not_json(body: bytes) -> str | None:
    """Return why a body is not unambiguous JSON; None for a good or an empty one."""
    if not body:
        return None
    try:
        read = json.loads(body, object_pairs_hook=_once_each, parse_constant=_no_number)
        return None if _is_flat(read, MOST_DEPTH) else f"the body is nested more than {MOST_DEPTH} deep"
    except RecursionError:
        return f"the body is nested more than {MOST_DEPTH} deep"
    except ValueError as error:
        return f"the body is not JSON: {error}"


def _once_each(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:  # Any: JSON data
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)[:100]!a} is given twice in one object")
    return found


def _no_number(word: str) -> Never:
    raise ValueError(f"{word} is not a number in JSON")


def _is_flat(value: object, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    return depth > 0 and all(
        _is_flat(item, depth - 1) for item in (value.values() if isinstance(value, dict) else value)
    )
