"""Wording: the engine names a field in backticks, the command line says its option."""

from __future__ import annotations

import re
from collections.abc import Mapping

from optimizer.fields import offered
from optimizer.spec import StudySpec

FLAGS: Mapping[str, str] = {field.path: field.flag for field in offered(StudySpec)}
FIELD = re.compile(r"`([a-z_.]+)`")


def in_flags(text: str) -> str:
    """Return a text with options for the fields that it names: "`data`" becomes "--data"."""
    return FIELD.sub(lambda found: FLAGS.get(found[1], found[0]), text)
