"""The store in a real PostgreSQL keeps the contract, and its migrations make the same tables there."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from store_contract import StoreContract

from studies.opening import open_store
from studies.sql.store import SqlStore
from studies.sql.tables import Base
from studies.store import StoreUnavailableError, StoreUnusableError


@pytest.fixture
def store(emptied_store: SqlStore) -> SqlStore:
    return emptied_store


class TestPostgresqlStore(StoreContract):
    """The contract, with the store above."""


def test_the_migrations_make_exactly_the_tables(store: SqlStore) -> None:
    with store.database.engine.begin() as connection:
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
    with pytest.raises(StoreUnavailableError, match="nowhere"):
        open_store(database_url.replace("/studies?", "/nowhere?"))
