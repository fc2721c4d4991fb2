"""The `optimize` command. `main` is the console script; heavy imports wait until a command needs them."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its code."""
    from api.cli.app import run  # importing the command imports rich and typer, which a library user may not want

    raise SystemExit(run())
