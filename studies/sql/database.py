"""One open database, shared by all that is kept in it, and its three kinds of access: read, write, glance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.orm import Session

from studies.limits import OF_A_PROGRAM, Limits
from studies.sql.engine import (
    allow_long_reading,
    database_file,
    glancing,
    is_sqlite,
    new_engine,
    parsed_url,
    reading,
    writing,
)
from studies.sql.failures import explained, shown
from studies.sql.schema import check_readable, make_usable, refuse_newer, version
from studies.store import StoreUnusableError


class Database:
    """An engine with its URL. Threads may share one; other processes open their own."""

    def __init__(self, engine: Engine, url: URL, *, read_only: bool = False) -> None:
        self.engine = engine
        self.url = url
        self._reading = reading(engine)
        self._writing = writing(engine)
        self._glancing = glancing(engine)
        self._read_only = read_only
        self._file = database_file(url) if is_sqlite(url) else None
        self._identity = self._look()

    @classmethod
    def open(cls, text: str, *, read_only: bool = False, limits: Limits = OF_A_PROGRAM) -> Self:
        """Open a database, made or brought up to date unless `read_only`.

        Raises `StoreUnusableError`.
        """
        url = parsed_url(text)
        engine = new_engine(url, read_only=read_only, limits=limits)
        try:
            with explained(url):
                (check_readable if read_only else make_usable)(engine, url)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, url, read_only=read_only)

    @property
    def is_file(self) -> bool:
        """Whether it is a SQLite file, which needs no network."""
        return is_sqlite(self.url)

    @contextmanager
    def read(self, *, much: bool = False) -> Iterator[Session]:
        """Give a transaction that sees one snapshot and writes nothing; with `much` it may read whole studies."""
        self.refuse_replaced()
        with explained(self.url), Session(self._reading) as session, session.begin():
            if much:
                allow_long_reading(session.connection())
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give a transaction, committed as a whole or not at all.

        Raises `StoreUnusableError` if opened for reading, and `StoreNewerError` once a newer program has upgraded the
        tables.
        """
        self._refuse_reading()
        self.refuse_replaced()
        with explained(self.url), Session(self._writing) as session, session.begin():
            self.refuse_newer(version(session.connection()))
            yield session

    @contextmanager
    def change(self) -> Iterator[Connection]:
        """Give a transaction as `write` does, for few statements that are run often: without a session.

        Its first statement has to return the `VERSION` of the tables too, which goes to `refuse_newer`.
        """
        self._refuse_reading()
        self.refuse_replaced()
        with explained(self.url), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def at_once(self) -> Iterator[Connection]:
        """Give a connection for a single statement that writes, checks the `VERSION` itself, and is a transaction."""
        self._refuse_reading()
        with explained(self.url), self._glancing.connect() as connection:
            yield connection

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        """Give a connection for a single SELECT, which needs no transaction around it and saves its round trips."""
        self.refuse_replaced()
        with explained(self.url), self._glancing.connect() as connection:
            yield connection

    def check_writable(self) -> None:
        """Raise what a write would raise where the database does not answer, or a newer program has upgraded it."""
        with self.glance() as connection:
            self.refuse_newer(version(connection))

    def refuse_newer(self, found: str | None) -> None:
        """Raise `StoreNewerError` where the tables were found in the version of a newer program."""
        refuse_newer(found, self.url)

    def _refuse_reading(self) -> None:
        if self._read_only:
            raise StoreUnusableError(f"storage {shown(self.url)}: opened for reading; open it for writing")

    def refuse_replaced(self) -> None:
        """Raise `StoreUnusableError` where another file, or none, is now where the open one was.

        What is written to a deleted file is lost when it is closed, without any error.
        """
        if self._look() != self._identity:
            raise StoreUnusableError(
                f"storage {shown(self.url)}: the file was deleted or replaced while it was open; put it back, or start "
                "this program again to use what is there now"
            )

    def _look(self) -> tuple[int, int] | None:
        """Return which file the path leads to: its device and inode."""
        try:
            found = None if self._file is None else self._file.stat()
        except FileNotFoundError:
            found = None
        return None if found is None else (found.st_dev, found.st_ino)

    def close(self) -> None:
        """Release all connections."""
        self.engine.dispose()
