"""Bundles: a command gets one value for options that are declared once, and its help lists them all."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.testing import CliRunner

from api.cli.bundles import taking


def pair_of(first: Annotated[int, typer.Option(help="The first.")] = 1, second: int = 2) -> tuple[int, int]:
    return first, second


def test_a_bundle_is_made_of_its_options_and_stands_in_the_help() -> None:
    app, got = typer.Typer(), []

    @app.command()
    @taking(pair=pair_of)
    def command(*, pair: tuple[int, int], name: str, loud: bool = False) -> None:
        """Do it."""
        got.append((pair, name, loud))

    runner = CliRunner()
    assert runner.invoke(app, ["a", "--second", "5", "--loud"]).exit_code == 0
    assert runner.invoke(app, ["b"]).exit_code == 0
    assert got == [((1, 5), "a", True), ((1, 2), "b", False)]
    shown = runner.invoke(app, ["--help"]).output
    for part in ("Do it.", "--first", "The first.", "--second", "--loud"):
        assert part in shown
    assert "--pair" not in shown
