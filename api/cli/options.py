"""The options of a run that are no fields of its spec, one alias each."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from optimizer.fields.fields import MODEL

OUTPUT = "Output"


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - click hands the option's value in
    if wanted:
        typer.echo(f"pruning-optimizer {version('pruning-optimizer')}")
        raise typer.Exit


Config = Annotated[
    Path | None,
    typer.Option(help="TOML file with the fields of a study; options take precedence.", rich_help_panel=MODEL),
]
Study = Annotated[str | None, typer.Option(help="Name of the new study.", rich_help_panel=MODEL)]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything, estimate the time, store nothing.", rich_help_panel=MODEL)
]
Output = Annotated[Path | None, typer.Option(help="Also write the report to this HTML file.", rich_help_panel=OUTPUT)]
Mlflow = Annotated[
    str | None,
    typer.Option(
        help="Also log the study to this MLflow server or store, with its knee, or without ε its best, as a model.",
        rich_help_panel=OUTPUT,
    ),
]
Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
]
