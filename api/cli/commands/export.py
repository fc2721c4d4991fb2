"""`optimize export`: a candidate as a model that runs elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.context import AsJson, CacheDir, Storage, StudyName, shared_of
from optimizer.errors import UnknownNameError

FORMATS = ("safetensors", "onnx")


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("export")(export)


def export(
    ctx: typer.Context,
    study: StudyName,
    candidate: Annotated[int, typer.Argument(metavar="CANDIDATE", help="Number of the candidate in the study.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="New or empty directory.")],
    format: Annotated[str, typer.Option(help="safetensors, or onnx.")] = "safetensors",
    storage: Storage = None,
    cache_dir: CacheDir = None,
    as_json: AsJson = False,
) -> None:
    """Write a candidate as weights, tokenizer, manifest of shapes and model card."""
    if format not in FORMATS:
        raise UnknownNameError("--format", format, FORMATS)
    from optimizer.handover.export import export_candidate

    shared = shared_of(ctx, storage, cache_dir, as_json=as_json)
    with shared.store(read_only=True) as store:
        written = export_candidate(
            store, store.study(study), candidate, directory, cache_dir=shared.cache_dir, as_onnx=format == "onnx"
        )
    files = [str(path) for path in written]
    if shared.as_json:
        shared.answer({"schema_version": 1, "study": study, "candidate": candidate, "files": files})
    else:
        shared.console.print("\n".join(files), highlight=False)
