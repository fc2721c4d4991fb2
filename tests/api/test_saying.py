"""What the command line says: paths are never broken, marked up or cut."""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path

from command_line import run_here
from rich.console import Console
from stored_studies import put_study

from api.cli.saying import say
from studies.opening import open_store

LONG = Path("a directory [red]", *["of a rather long name"] * 12)


def test_a_piped_path_is_whole(tmp_path: Path) -> None:
    place = tmp_path / LONG
    (place / "banks").mkdir(parents=True)
    (place / "banks" / "kept").write_bytes(b"12345")
    url = f"sqlite:///{tmp_path}/s.sqlite"
    put_study(open_store(url), "first", candidates=[(0.01, 0.5)])
    for arguments, path in (
        (["cache", "list"], place / "banks" / "kept"),
        (["report", "first", "--output", str(place / "report.html")], f"report: {place / 'report.html'}"),
        (["report", "first", "--output", str(place)], f"{place} is a directory"),
    ):
        shared = ["--storage", url, "--cache-dir", str(place)]
        done = run_here([*shared, *arguments], environment=os.environ, directory=tmp_path)
        assert str(path) in done.stdout + done.stderr, done


def test_a_terminal_breaks_sentences_between_words_alone() -> None:
    console = Console(file=StringIO(), width=30, record=True, force_terminal=True)
    path = "/" + "x" * 80
    say(console, f"the report of this study is at {path}", style="bold")
    assert console.export_text().splitlines() == ["the report of this study is at", path]
