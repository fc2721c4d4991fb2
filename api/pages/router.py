"""The pages put together: routes, static files, and refusals that look like pages."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from api.pages import labels, login, parts, queue, studies
from api.pages.refusals import show_refusals_as_pages


def add_pages(app: FastAPI) -> None:
    """Give an app its pages. Its handlers of errors must be set by now."""
    for module in (studies, parts, labels, queue, login):
        app.router.routes.extend(module.router.routes)
    app.mount("/static", StaticFiles(directory=str(files("api.pages").joinpath("static"))), name="static")
    show_refusals_as_pages(app)
