"""The yardstick of the service: bare FastAPI routes that do one indexed SELECT, and answer a body or only a status."""

from __future__ import annotations

import os

from fastapi import FastAPI, Response
from sqlalchemy import create_engine, text

STORAGE, BODY_BYTES = "BARE_STORAGE", "BARE_BODY_BYTES"  # environment variables


def create_bare_app() -> FastAPI:
    """Return the app; it asks the same database as the service."""
    engine = create_engine(os.environ[STORAGE], pool_size=30)
    body = b'"' + b"x" * (int(os.environ[BODY_BYTES]) - 2) + b'"'
    one_row = text("SELECT revision FROM studies WHERE slug = :slug")
    app = FastAPI()

    @app.get("/body/{slug}")
    def whole(slug: str) -> Response:
        with engine.connect() as connection:
            connection.execute(one_row, {"slug": slug}).one()
        return Response(body, media_type="application/json")

    @app.get("/unchanged/{slug}")
    def unchanged(slug: str) -> Response:
        with engine.connect() as connection:
            connection.execute(one_row, {"slug": slug}).one()
        return Response(status_code=304)

    return app
