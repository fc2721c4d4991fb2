"""Letters: output where the encoding of a terminal or file, such as ASCII or Latin-1, lacks some of them."""

from __future__ import annotations

import codecs
import io
import json
import sys
from typing import Any

SPELLED = {"ε": "epsilon", "×": "x", "–": "-", "—": "-", "…": "...", "±": "+/-", "·": "*", "→": "->", "≤": "<="}


def spell_out_unknown_letters() -> None:
    """Have standard output and standard error spell out what their encoding lacks, where they would fail."""
    codecs.register_error("spelled", _spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="spelled")


def as_json(data: Any) -> str:  # Any: JSON data
    """Return JSON that standard output takes unchanged: letters as they are, escapes where its encoding lacks them."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return json.dumps(data, allow_nan=False)
    return text


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(SPELLED.get(a) or a.encode("ascii", "backslashreplace").decode() for a in letters), error.end
