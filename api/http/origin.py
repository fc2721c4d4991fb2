"""The origin of a job: what the request that makes it is called in logs, so that a worker's lines carry it too."""

from __future__ import annotations

from collections.abc import Mapping

from api.logs import REQUEST, ids


def origin() -> Mapping[str, str]:
    """Return the context of a job that the present request makes."""
    return {REQUEST: str(ids()[REQUEST])}
