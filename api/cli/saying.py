"""Sentences: a path in one is copied whole, so no word is ever broken."""

from __future__ import annotations

from textwrap import fill

from rich.console import Console
from rich.text import Text


def say(console: Console, sentence: str | Text, *, style: str = "") -> None:
    """Print a sentence: a pipe or a file gets it in one line, a terminal broken between words alone."""
    if console.is_terminal and isinstance(sentence, str):
        sentence = "\n".join(_filled(line, console.width) for line in sentence.split("\n"))
    console.print(sentence, style=style, highlight=False, markup=False, soft_wrap=True)


def _filled(line: str, width: int) -> str:
    return fill(line, width, break_long_words=False, break_on_hyphens=False)
