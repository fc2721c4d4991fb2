"""`optimize export`: a candidate as a model that runs elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from api.cli.bundles import taking
from api.cli.context import Shared, StudyName, shared_of
from api.cli.saying import say
from api.cli.sources import Format
from optimizer.errors import UnknownNameError


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("export")(export)


@taking(shared=shared_of)
def export(
    *,
    shared: Shared,
    study: StudyName,
    candidate: Annotated[int, typer.Argument(metavar="CANDIDATE", help="Number of the candidate in the study.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="New or empty directory.")],
    format: Annotated[str, typer.Option(help="safetensors or onnx.")] = "safetensors",
) -> None:
    """Write a candidate as weights, tokenizer, manifest of shapes and model card."""
    if format not in get_args(Format):
        raise UnknownNameError("--format", format, get_args(Format))
    with shared.studies() as known:
        written = known.export(study, candidate, directory, format=cast("Format", format))
    files = [str(path) for path in written]
    if shared.as_json:
        shared.answer({"schema_version": 1, "study": study, "candidate": candidate, "files": files})
    else:
        say(shared.console, "\n".join(files))
