"""`optimize analyze`: models pruned by anyone, measured beside the unpruned ones they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from api.cli.bundles import taking
from api.cli.context import Shared, shared_here
from api.cli.local import LocalStudies
from api.cli.render import print_guests
from api.cli.saying import say

if TYPE_CHECKING:
    from optimizer.analysis.asked import Build
    from optimizer.analysis.run import Analyzed

OUTPUT = Path("analysis")
AS_ASKED = {"input": "inputs", "sequence_length": "lengths", "batch_size": "batch_sizes", "backend": "backends"}
Given = Mapping[str, Any]  # options that are given, by name; Any: one type each


def given_of(
    *,
    parent: Annotated[Path | None, typer.Option(help="The unpruned model of all that name no other.")] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", help="Shape without the batch, such as 3x224x224 or NAME=128:int64; may repeat."),
    ] = None,
    sequence_length: Annotated[list[int] | None, typer.Option(help="Tokens of a text; may repeat; 128.")] = None,
    batch_size: Annotated[list[int] | None, typer.Option(help="Batch size; may repeat; 1, 8, 16, 32, 64.")] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Most seconds of timing for a model at a batch size; 5.")
    ] = None,
    inferences: Annotated[
        int | None, typer.Option(help="So many passes of every model instead, such as 10000 as published.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads; default: torch's own choice.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu (default), cuda, cuda:N or mps.")] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            help="What runs torch's modules: torch (default), torch-compile, cuda-graph (NVIDIA GPUs); may repeat."
        ),
    ] = None,
    along: Annotated[
        str | None, typer.Option(help="What compression is counted in: flops (default) or parameters.")
    ] = None,
    plots: Annotated[bool | None, typer.Option(help="Draw the plots, as HTML, SVG and PNG; they are drawn.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(help=f"Directory for measurements, table and plots, {OUTPUT}; a second call goes on."),
    ] = None,
) -> Given:
    """Return the options of an analysis that are given; none of them has a place where models are put into a study."""
    options: Given = {
        "parent": parent, "input": inputs, "sequence_length": sequence_length, "batch_size": batch_size,
        "seconds": seconds, "inferences": inferences, "threads": threads, "device": device, "backend": backend,
        "along": along, "plots": plots, "output": output,
    }  # fmt: skip
    return {name: value for name, value in options.items() if value is not None and value != []}


def register(app: typer.Typer) -> None:
    """Put the command on the tree."""
    app.command("analyze")(analyze)


@taking(shared=shared_here, given=given_of)
def analyze(
    *,
    shared: Shared,
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DIR|GLOB|STUDY]...",
            help="Exports, Hugging Face folders, ONNX files, files of weights, directories of these, or studies.",
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="CSV with a column `path`, for models whose names say nothing: parent, input, metrics, …"),
    ] = None,
    module: Annotated[
        str | None,
        typer.Option(help="FILE.py:NAME, your function that makes the module of files of weights; it is run."),
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(
            help="Put the models beside this study's front instead: verified on its verification examples, measured as "
            "its members are."
        ),
    ] = None,
    given: Given,
) -> None:
    """Measure energy, time and throughput of pruned models beside the unpruned ones; show where pruning costs more."""
    from optimizer.analysis.asked import Asked, module_of
    from optimizer.analysis.run import analyze_parts

    build = module_of(module) if module else None
    if into is not None:
        return _receive(shared, into, models or (), manifest, build, given)
    asked = Asked(named=models or (), manifest=manifest, build=build, **_as_asked(given))
    return _answer(
        shared,
        analyze_parts(
            asked.parts(LocalStudies(shared.storage, shared.cache_dir).analyzed),
            given.get("output", OUTPUT),
            along=asked.along,
            draws=given.get("plots", True),
            said=partial(say, shared.messages),
        ),
    )


def _as_asked(given: Given) -> dict[str, Any]:
    """Return the options that say what is measured, by the names and in the form that an analysis has for them."""
    from optimizer.analysis.inputs import written_inputs

    asked = {AS_ASKED.get(name, name): value for name, value in given.items() if name not in ("plots", "output")}
    return asked | ({"inputs": written_inputs(asked["inputs"])} if "inputs" in asked else {})


def _receive(
    shared: Shared,
    into: str,
    models: Sequence[str],
    manifest: Path | None,
    build: Build | None,
    given: Given,
) -> None:
    from optimizer.errors import InputError
    from optimizer.guests.received import Asked

    if given:
        raise InputError(next(iter(given)), "is the study's where models are put `into` one; leave it out")
    asked = Asked(named=models, manifest=manifest, build=build)
    studies = LocalStudies(shared.storage, shared.cache_dir)
    guests, failures = studies.received(into, asked, said=partial(say, shared.messages))
    if shared.as_json:
        items = [guest.model_dump(mode="json") for guest in guests]
        return shared.answer({"schema_version": 1, "guests": items, "failures": failures})
    print_guests(guests, shared.console)
    for line in failures:
        say(shared.console, line)
    return None


def _answer(shared: Shared, found: Analyzed) -> None:
    if shared.as_json:
        return shared.answer(found.as_json())
    table = Table("model", "batch", "FLOPs", "parameters", "time", "energy", "per second", box=None)
    for each in found.measures:
        table.add_row(
            each.key.model,
            each.size.removeprefix("batch "),
            f"{each.counts.flops / each.parent_counts.flops - 1:+.1%}",
            f"{each.counts.parameters / each.parent_counts.parameters - 1:+.1%}",
            each.time.as_change,
            f"{each.energy.as_change} ({each.energy_source})",
            f"{each.fps:.4g}",
        )
    shared.console.print(table)
    for line in (*found.sentences, *map(str, found.failures), "", *map(str, found.files)):
        say(shared.console, line)
    return None
