"""Who may use the service: API keys, of which only a hash is kept.

A secret is 256 random bits, so that its plain SHA-256 cannot be guessed back and needs neither salt nor stretching.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from studies.quotas import ANY, Quota
from studies.store import StoreError

ALL = "all"  # owners: every one there is and will be
PREFIX = "opk_"  # lets people, and scanners for leaked secrets, tell what it is


class Scope(StrEnum):
    """What a key allows."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class KeyExistsError(StoreError, ValueError):
    """A key of this name exists already."""


class KeyNotFoundError(StoreError, LookupError):
    """No key has this name or id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key without its secret. `owners` are the ids of the keys whose studies it may read besides its own, or `ALL`.

    `last_used_at` is right to a few minutes.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    owners: frozenset[str] = frozenset()
    created_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    quota: Quota = ANY


def new_secret() -> str:
    """Return a secret of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return the hexadecimal SHA-256 of a secret, which may be any text."""
    return hashlib.sha256(secret.encode("utf-8", "backslashreplace")).hexdigest()
