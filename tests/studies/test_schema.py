"""The schema: migrations make what the tables say, and databases of other versions are handled as they should be."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from studies.opening import open_service, open_store
from studies.records import StudyState
from studies.sql import schema
from studies.sql.schema import SchemaState, create, schema_state, upgrade
from studies.sql.tables import Base
from studies.store import StoreUnusableError

NEWER = '''
"""A column more."""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "0012"

def upgrade():
    op.add_column("studies", sa.Column("remark", sa.Text()))
'''
FIRST_STUDY = """
INSERT INTO studies (slug, uid, spec, state, revision, created_at, updated_at, context)
VALUES ('old', 'u', '{}', 'interrupted', 3, '2026-01-01 12:00:00.000000', '2026-01-01 12:00:00.000000', '{}')
"""
BROKEN = NEWER + '    raise RuntimeError("broken off in the middle")\n'


@pytest.fixture
def newer_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Give a program that knows one migration more."""

    def install(script: str) -> None:
        directory = tmp_path / "newer"
        shutil.copytree(schema.MIGRATIONS, directory)
        (directory / "versions" / "v9999_newer.py").write_text(script)
        monkeypatch.setattr(schema, "MIGRATIONS", directory)

    return install


def indexes(engine: Engine, table: str) -> dict[str, tuple[object, ...]]:
    """The indexes of a table, with the rows that each is for."""
    return {
        str(each["name"]): (
            each["column_names"],
            each["unique"],
            str(each.get("dialect_options", {}).get("sqlite_where")),
        )
        for each in inspect(engine).get_indexes(table)
    }


def columns(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[1] for row in connection.execute("PRAGMA table_info(studies)")]


def test_the_migrations_make_exactly_the_tables(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'studies.sqlite'}")
    with engine.begin() as connection:
        upgrade(connection)
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_scripts_are_named_after_their_revisions_in_the_order_of_the_migrations() -> None:
    scripts = ScriptDirectory.from_config(schema.migrations()).walk_revisions()  # the newest first
    names = sorted((Path(script.path).name, script.revision) for script in scripts)
    assert [revision for _, revision in names] == [name[1:5] for name, _ in names]
    assert names[-1][1] == ScriptDirectory.from_config(schema.migrations()).get_current_head()


def test_the_migrations_make_the_same_sql_as_the_tables(tmp_path: Path) -> None:
    """Autogenerate sees neither names of keys nor what happens on deletion; the text of the schema does."""
    migrated, created = (create_engine(f"sqlite:///{tmp_path / name}") for name in ("migrated", "created"))
    with migrated.begin() as connection:
        upgrade(connection)
    with created.begin() as connection:
        create(connection)
    for engine in (migrated, created):
        with engine.connect() as connection:
            assert schema_state(connection) is SchemaState.CURRENT
    for table in Base.metadata.tables:
        for ask in ("get_pk_constraint", "get_foreign_keys", "get_unique_constraints"):
            assert getattr(inspect(migrated), ask)(table) == getattr(inspect(created), ask)(table)
        assert indexes(migrated, table) == indexes(created, table)
    migrated.dispose()
    created.dispose()


def test_a_database_of_a_newer_program_is_refused_and_left_alone(
    tmp_path: Path, newer_program, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "studies.sqlite"
    with monkeypatch.context():
        newer_program(NEWER)
        open_store(f"sqlite:///{path}").close()
        monkeypatch.undo()
    before = path.read_bytes()
    for read_only in (True, False):
        with pytest.raises(StoreUnusableError, match=r"newer version of this program.*; upgrade this program"):
            open_store(f"sqlite:///{path}", read_only=read_only)
    assert path.read_bytes() == before


def test_an_older_database_is_upgraded_by_a_writer_and_refused_to_a_reader(tmp_path: Path, newer_program) -> None:
    path = tmp_path / "studies.sqlite"
    store = open_store(f"sqlite:///{path}")
    study = store.create_study("first", {"epsilon": 0.01})
    store.close()
    before = path.read_bytes()
    newer_program(NEWER)
    with pytest.raises(StoreUnusableError, match="older version of this program; run or resume a study there once"):
        open_store(f"sqlite:///{path}", read_only=True)
    assert path.read_bytes() == before
    store = open_store(f"sqlite:///{path}")
    assert store.study("first") == study
    store.close()
    assert "remark" in columns(path)


def test_a_database_of_the_first_version_keeps_its_studies_and_serves(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.sqlite'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        config = schema.migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text(FIRST_STUDY))
    engine.dispose()
    service = open_service(url)
    old = service.store.study("old")
    assert (old.state, old.revision, old.owner) == (StudyState.INTERRUPTED, 3, None)
    assert service.store.claim_study(old.id).state is StudyState.RUNNING
    assert [event.data["state"] for event in service.events.after(0, limit=9)] == ["running"]
    service.close()


def test_a_downgrade_takes_away_what_the_upgrade_brought(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'studies.sqlite'}")
    with engine.begin() as connection:
        config = schema.migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        before = set(inspect(connection).get_table_names())
        command.upgrade(config, "head")
        command.downgrade(config, "0001")
        assert set(inspect(connection).get_table_names()) == before
    engine.dispose()
    assert "owner" not in columns(tmp_path / "studies.sqlite")


def test_an_upgrade_that_breaks_off_changes_nothing(tmp_path: Path, newer_program) -> None:
    path = tmp_path / "studies.sqlite"
    store = open_store(f"sqlite:///{path}")
    study = store.create_study("first", {})
    store.close()
    with pytest.MonkeyPatch.context() as patch:
        newer_program(BROKEN)
        with pytest.raises(RuntimeError, match="broken off"):
            open_store(f"sqlite:///{path}")
        patch.undo()
    assert "remark" not in columns(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0012",)]
        assert connection.execute("SELECT slug FROM studies").fetchall() == [(study.slug,)]


def test_another_programs_tables_of_the_same_names_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "studies.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE studies (study_id INTEGER PRIMARY KEY)")
    before = path.read_bytes()
    for read_only in (True, False):
        with pytest.raises(StoreUnusableError, match="another program's tables; name another database"):
            open_store(f"sqlite:///{path}", read_only=read_only)
    assert path.read_bytes() == before
