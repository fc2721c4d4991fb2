"""The command line's tree: `optimize --model …` runs a study; its subcommands work with stored studies."""

from __future__ import annotations

import functools
import gc
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console

from api.cli import options
from api.cli.bundles import taking
from api.cli.commands import (
    analyze,
    cache,
    calibrate,
    cancel,
    certify,
    delete,
    doctor,
    export,
    footprint,
    front,
    keys,
    label,
    recommend,
    report,
    reproduce,
    resume,
    serve,
    show,
    storage,
    studies,
    worker,
)
from api.cli.commands.run import run_study
from api.cli.context import ApiKey, AsJson, CacheDir, ServerUrl, Storage, shared
from api.cli.engine_options import engine_options
from api.cli.errors import SUCCESS, exit_code, in_words
from api.cli.letters import spell_out_unknown_letters
from api.cli.saying import say
from api.cli.spec_options import given_of, spec_from
from api.cli.wording import flags_of
from optimizer.engine import Engine
from optimizer.errors import InputError

SHARED = ("storage", "cache_dir", "as_json", "server", "api_key")  # may stand before a subcommand's name
OF_THIS_MACHINE = (
    "cache",
    "calibrate",
    "doctor",
    "analyze",
    "reproduce",
    "serve",
    "worker",
    "keys",
    "storage",
)  # commands that work on this machine only
GARBAGE = 10_000, 10, 10  # objects between two looks for garbage: libraries make a million at import, and none is

app = typer.Typer(
    name="optimize",
    help="Find the pruned versions of a trained model worth having, within an accuracy tolerance, and verify them.",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
@taking(given=given_of, engine=engine_options)
def optimize(
    ctx: typer.Context,
    *,
    given: Mapping[str, Any],
    engine: Engine,
    config: options.Config = None,
    study: options.Study = None,
    dry_run: options.DryRun = False,
    output: options.Output = None,
    mlflow: options.Mlflow = None,
    version: options.Version = False,
    storage: Storage = None,
    cache_dir: CacheDir = None,
    as_json: AsJson = False,
    server: ServerUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Find the pruned versions of a trained model worth having, within an accuracy tolerance, and verify them."""
    named = [name for name in ctx.params if _was_given(ctx, name)]
    before = {name: ctx.params[name] for name in SHARED if name in named}
    if ctx.invoked_subcommand is not None:
        _refuse_stray_options(ctx.invoked_subcommand, named)
        ctx.obj = before
        return
    run_study(
        spec_from(given, config),
        shared(before),
        study=study,
        dry_run=dry_run,
        output=output,
        mlflow=mlflow,
        engine=engine,
    )


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(*GARBAGE)
    code = run()
    gc.freeze()  # the interpreter would look for garbage once more while it leaves, which takes a second with torch
    raise SystemExit(code)


def run() -> int:
    """Run the command line and return the exit code."""
    _quiet_libraries()
    spell_out_unknown_letters()
    _share_cores()
    try:
        _tree()()
    except SystemExit as leave:
        return int(leave.code or SUCCESS)
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        words = in_words(error, flags_of(_tree()))
        say(Console(stderr=True), words, style="bold red")
        return code
    return SUCCESS


@functools.cache  # a tenth of a second
def _tree() -> Any:  # Any: click's command, which typer hides
    """Return all commands with their options, made of the functions above and below."""
    return typer.main.get_command(app)


def _was_given(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _refuse_stray_options(command: str, given: Sequence[str]) -> None:
    stray = [name for name in given if name not in SHARED]
    if stray:
        option = f"--{stray[0].replace('_', '-')}"
        raise InputError(option, f"is an option of a run, not of `optimize {command}`; remove one of them")
    if "server" in given and command in OF_THIS_MACHINE:
        raise InputError("--server", f"cannot be combined with `optimize {command}`, which works on this machine")


def _share_cores() -> None:
    """Let idle threads sleep unless the user chose otherwise: spinning threads take the cores from other studies.

    OpenMP reads this once, when torch is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _quiet_libraries() -> None:
    """Keep libraries from writing between our lines; their warnings still count as errors in the tests."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    for library in ("TRANSFORMERS", "DATASETS", "HF_HUB"):  # which set their own level as they are imported
        os.environ.setdefault(f"{library}_VERBOSITY", "error")
    logging.getLogger("transformers").setLevel(logging.ERROR)


for module in (
    studies,
    show,
    storage,
    front,
    recommend,
    resume,
    cancel,
    label,
    report,
    footprint,
    export,
    certify,
    delete,
    cache,
    doctor,
    calibrate,
    serve,
    worker,
    keys,
    reproduce,
    analyze,
):
    module.register(app)
