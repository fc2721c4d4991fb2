"""Bringing a database's tables up to date on request."""

from __future__ import annotations

from studies.sql.engine import new_engine, parsed_url, reading
from studies.sql.failures import explained
from studies.sql.schema import SchemaState, make_usable, refuse_strange, schema_state, version


def migrated(text: str) -> tuple[str | None, str]:
    """Make or upgrade the tables, and return their versions before and after. Raises `StoreUnusableError`."""
    url = parsed_url(text)
    engine = new_engine(url, read_only=False)
    try:
        with explained(url):
            with reading(engine).begin() as connection:
                state = schema_state(connection)
                refuse_strange(state, url)
                before = None if state is SchemaState.EMPTY else version(connection)
            make_usable(engine, url)
            with reading(engine).begin() as connection:
                return before, version(connection) or ""
    finally:
        engine.dispose()
