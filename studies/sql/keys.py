"""API keys in SQL."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from studies.keys import ALL, ApiKey, KeyExistsError, KeyNotFoundError, Scope, digest, new_secret
from studies.quotas import ANY, Quota, Use
from studies.rules import LARGEST_ID, text_data, utc_now
from studies.sql.database import Database
from studies.sql.quotas import use_of
from studies.sql.tables import ApiKeyRow
from studies.store import StoreError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,79}")
_NOTED_EVERY = timedelta(minutes=5)  # a key's use is noted that often, or each request would be a write
_LOG = logging.getLogger(__name__)


class SqlKeyRing:
    """Keeps API keys in a SQL database."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock

    def add(
        self, name: str, scopes: Iterable[Scope], *, owners: Iterable[str] = (), quota: Quota = ANY
    ) -> tuple[ApiKey, str]:
        """Make a key; its secret is returned here and never again.

        `owners` are names or ids of keys, or `ALL`. Raises `KeyExistsError`, `KeyNotFoundError`, `StoreError`.
        """
        secret = new_secret()
        row = ApiKeyRow(
            id=uuid4().hex[:16],
            name=_checked_name(name),
            digest=digest(secret),
            scopes=_checked_scopes(scopes),
            created_at=self._clock(),
        )
        _set_quota(row, quota)
        with self._database.write() as session:
            row.owners = sorted({owner if owner == ALL else _named(session, owner).id for owner in owners}) or None
            session.add(row)
            try:
                session.flush()
            except IntegrityError as error:
                raise KeyExistsError(f"key: {name!r} exists already, or did; take another name") from error
            return _record(row), secret

    def find(self, secret: str) -> ApiKey | None:
        """Return the key of a secret; None for an unknown or revoked one."""
        wanted = digest(secret)
        with self._database.glance() as connection:
            row = connection.execute(select(*ApiKeyRow.__table__.c).where(ApiKeyRow.digest == wanted)).one_or_none()
        # The look-up tells by its time at most how a hash begins, and who knows that knows nothing of the secret.
        if row is None or row.revoked_at is not None or not hmac.compare_digest(row.digest, wanted):
            return None
        key = _record(row)
        self._note_use(key)
        return key

    def is_valid(self, key_id: str) -> bool:
        """Whether a key is there and not revoked."""
        with self._database.glance() as connection:
            valid = select(ApiKeyRow.id).where(ApiKeyRow.id == key_id, ApiKeyRow.revoked_at.is_(None))
            return connection.scalar(valid) is not None

    def revoke(self, name_or_id: str) -> ApiKey:
        """Revoke a key; revoking it again changes nothing. Raises `KeyNotFoundError`."""
        with self._database.write() as session:
            row = _named(session, name_or_id)
            row.revoked_at = row.revoked_at or self._clock()
            return _record(row)

    def change_quota(self, name_or_id: str, changes: Mapping[str, int | None]) -> ApiKey:
        """Change the quotas of a key that are given, by their names in `Quota`. Jobs that wait or run already stay.

        Raises `KeyNotFoundError`, `StoreError`.
        """
        with self._database.write() as session:
            row = _named(session, name_or_id)
            _set_quota(row, replace(_record(row).quota, **changes))
            return _record(row)

    def use(self, key_id: str) -> Use:
        """Return what a key uses now of its quotas."""
        with self._database.read() as session:
            return use_of(session, key_id, now=self._clock())

    def with_use(self, key_id: str) -> tuple[ApiKey, Use]:
        """Return a key by its id, with what it uses now of its quotas. Raises `KeyNotFoundError`."""
        with self._database.read() as session:
            row = session.get(ApiKeyRow, key_id)
            if row is None:
                raise KeyNotFoundError(f"key: none has the id {key_id!r}; list them to see those there are")
            return _record(row), use_of(session, key_id, now=self._clock())

    def keys(self) -> Sequence[ApiKey]:
        """Return all keys, revoked ones included, oldest first."""
        with self._database.read() as session:
            return list(map(_record, session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.name))))

    def any(self) -> bool:
        """Whether a key was ever made. Revoked ones count: to revoke the last key must not open the doors."""
        with self._database.glance() as connection:
            return connection.scalar(select(ApiKeyRow.id).limit(1)) is not None

    def _note_use(self, key: ApiKey) -> None:
        now = self._clock()
        if key.last_used_at is not None and now - key.last_used_at < _NOTED_EVERY:
            return
        try:
            with self._database.write() as session:
                session.execute(update(ApiKeyRow).where(ApiKeyRow.id == key.id).values(last_used_at=now))
        except StoreError as error:  # who may come in does not depend on whether the disk has room for this note
            _LOG.warning("the use of key %s was not noted: %s", key.id, error)


def _named(session: Session, name_or_id: str) -> ApiKeyRow:
    named = text_data(name_or_id)
    is_meant = or_(ApiKeyRow.name == named, ApiKeyRow.id == named)
    row = session.scalar(select(ApiKeyRow).where(is_meant).with_for_update())
    if row is None:
        raise KeyNotFoundError(f"key: none has the name or id {name_or_id!r}; list them to see those there are")
    return row


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name) or name == ALL:
        raise StoreError(
            f"name: {name!r} cannot name a key; take 1 to 80 letters, digits, '.', '_', '@' and '-', "
            "beginning with a letter or digit"
        )
    return name


def _checked_scopes(scopes: Iterable[Scope]) -> list[str]:
    try:
        words = sorted({Scope(scope).value for scope in scopes})
    except ValueError as error:
        raise StoreError(f"scopes: {error}; take some of {', '.join(Scope)}") from error
    if not words:
        raise StoreError(f"scopes: a key without any opens nothing; take some of {', '.join(Scope)}")
    return words


def _set_quota(row: ApiKeyRow, quota: Quota) -> None:
    for name, most in asdict(quota).items():
        if most is not None and not 1 <= most <= LARGEST_ID:
            raise StoreError(f"{name}: {most} is no quota; take 1 to {LARGEST_ID}, or none")
        setattr(row, f"most_{name}", most)


def _record(row: Any) -> ApiKey:  # Any: an `ApiKeyRow`, or a row of its columns
    return ApiKey(
        id=row.id,
        name=row.name,
        scopes=frozenset(map(Scope, row.scopes)),
        owners=frozenset(row.owners or ()),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        quota=Quota(queued=row.most_queued, running=row.most_running, candidates=row.most_candidates),
    )
