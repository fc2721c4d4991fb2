"""The latest revisions, looked up again only after a write to the database."""

from __future__ import annotations

from threading import Lock
from typing import Any

from studies.records import Revision
from studies.sql.database import Database
from studies.sql.failures import explained
from studies.sql.store import SqlStore


class Revisions:
    """Knows the revisions it was asked for last. Threads may share one.

    A SQLite file counts the commits of its other connections (`PRAGMA data_version`), so a connection that never writes
    sees at once whether anything can have changed. On a server every revision is looked up.
    """

    def __init__(self, database: Database, store: SqlStore) -> None:
        self._database, self._store = database, store
        self._lock = Lock()
        self._watching: Any = None  # a connection as the pool lends it, once there is one
        self._version: int | None = None
        self._known: dict[str, Revision] = {}

    @property
    def are_at_hand(self) -> bool:
        """Whether a look-up costs less than passing it to a thread: a file needs no network."""
        return self._database.is_file

    def of(self, name: str) -> Revision:
        """Return the latest revision of a study by slug or id. Raises `StudyNotFoundError`."""
        if not self._database.is_file:
            return self._store.revision(name)
        with self._lock:
            self._forget_what_may_have_changed()
            if name not in self._known:
                self._known[name] = self._store.revision(name)
            return self._known[name]

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            if self._watching is not None:
                self._watching.close()
                self._watching = None

    def _forget_what_may_have_changed(self) -> None:
        self._database.refuse_replaced()
        with explained(self._database.url):
            if self._watching is None:
                self._watching = self._database.engine.raw_connection()
            (version,) = self._watching.driver_connection.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._known.clear()
            self._version = version
