"""Where studies are kept, and opening that place. Importing this loads no database library; opening does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_data_dir

from studies.limits import OF_A_SERVICE, Limits

if TYPE_CHECKING:  # SQLAlchemy takes a third of a second to load
    from studies.sql.service import SqlService
    from studies.sql.store import SqlStore

APPLICATION = "pruning-optimizer"


def default_storage_url() -> str:
    """Return the URL of the SQLite file in the user's data directory, the default place of studies."""
    return f"sqlite:///{(Path(user_data_dir(APPLICATION, appauthor=False)) / 'studies.sqlite').as_posix()}"


def shown_url(url: str) -> str:
    """Return a database's URL as it may be shown: without its password."""
    from studies.sql.engine import parsed_url
    from studies.sql.failures import shown

    return shown(parsed_url(url))


def has_database(url: str) -> bool:
    """Whether there is a database to open: a SQLite file that exists, or a server. Raises `StoreUnusableError`."""
    from studies.sql.engine import database_file, is_sqlite, parsed_url

    parsed = parsed_url(url)
    return not is_sqlite(parsed) or database_file(parsed).is_file()


def open_store(url: str, *, read_only: bool = False) -> SqlStore:
    """Open the database of a URL: `sqlite:///FILE` or `postgresql+psycopg://USER@HOST/DATABASE`.

    For writing, a missing SQLite file is made and an older schema brought up to date; `read_only` changes nothing.
    Raises `StoreUnusableError`, naming the URL and the remedy, for a database that cannot be used as it is.
    """
    from studies.sql.store import SqlStore

    return SqlStore.open(url, read_only=read_only)


def open_service(url: str, *, limits: Limits = OF_A_SERVICE) -> SqlService:
    """Open all that the service keeps, over one pool of connections, for writing; the database is as for `open_store`.

    Raises `StoreUnusableError`.
    """
    from studies.sql.service import SqlService

    return SqlService.open(url, limits=limits)
