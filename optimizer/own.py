"""Own: what Python code may give in place of a choice, and the name by which a study then calls it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from optimizer.errors import InputError
from optimizer.spec import CostName, CriterionName, MetricName, SamplerName

CHOICES: Mapping[str, tuple[str, ...]] = {
    "criterion": get_args(CriterionName),
    "sampler": get_args(SamplerName),
    "objectives": get_args(CostName),
    "metric": get_args(MetricName),
}
"""The fields of a spec that an object of the caller's own may replace, with the names that there are without one."""
QUANTITY = "own."  # before the names of own objectives, which may be those of other quantities


def own_name(own: Any, field: str) -> str:  # Any: a caller's object or function
    """Return its `name`, else that of the function or class; marked where a choice of the field has the same.

    Raises `InputError` for a name that is no printable text.
    """
    whole = getattr(own, "func", own)  # of a partial
    name = getattr(own, "name", None) or getattr(whole, "__name__", type(whole).__name__)
    if not isinstance(name, str) or not name.isprintable():
        raise InputError(field, f"must have a printable text as its name, got {name!r:.80}")
    return f"{name} (own)" if name in CHOICES[field] else name.replace("<lambda>", f"own {field}")
