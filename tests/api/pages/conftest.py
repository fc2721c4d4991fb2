"""A real browser, and a server with one finished study for it to look at."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from served import Place, save_assets

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("Failed to load resource",)  # a refusal is an answer; what the page makes of it is looked at


@pytest.fixture(scope="module")  # while it lives, nothing else in this process can run an event loop
def browser() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: object) -> Iterator[Callable[..., object]]:
    """Opens pages; at the end of the test none of them may have complained on its console."""
    contexts, complaints = [], []

    def open_(url: str, **options: object) -> object:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                if message.type in ("error", "warning") and not message.text.startswith(QUIET)
                else None
            ),
        )
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def page_assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_assets(tmp_path_factory.mktemp("paged"))


@pytest.fixture
def place(tmp_path: Path, page_assets: Path) -> Iterator[Place]:
    made = Place(tmp_path, page_assets)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, page_assets: Path) -> Iterator[Place]:
    """A service with two finished studies, "first" and "second"."""
    made = Place(tmp_path_factory.mktemp("finished"), page_assets)
    made.start()
    try:
        with made.client() as client:
            client.submit(made.spec(trials=12), name="first")
            client.submit(made.spec(trials=4, seed=1), name="second")
        made.work()
        yield made
    finally:
        made.stop()
