"""Which model and data a benchmark runs on: anything that `optimize` takes."""

from __future__ import annotations

import argparse

from optimizer.spec import StudySpec


def add_workload_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is pruned."""
    parser.add_argument("--model", default="phrases-mini", help="as for optimize: a name, a hub id or a directory")
    parser.add_argument("--task", default="phrases", help="as for optimize; needed with --data")
    parser.add_argument("--data", help="as for optimize: a directory of splits or a hub id")
    parser.add_argument("--text-columns", nargs="+", help="columns that hold texts, where the data do not show them")
    parser.add_argument("--label-column", help="the column that holds labels, likewise")
    parser.add_argument("--epsilon", type=float, default=0.01)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--allow-untrained", action="store_true")
    parser.add_argument("--search-precision", default="float32", help="as for optimize")
    for role in ("calibration", "search", "verification"):
        parser.add_argument(f"--{role}-examples", type=int, help="as for optimize")


def spec_of(options: argparse.Namespace, **changes: object) -> StudySpec:
    """Return the spec of a study of that workload. Raises `ValidationError` for what cannot be."""
    return StudySpec.model_validate(
        {
            "model": options.model,
            "task": options.task,
            "data": options.data,
            "text_columns": options.text_columns,
            "label_column": options.label_column,
            "epsilon": options.epsilon,
            "trials": options.trials,
            "allow_untrained": options.allow_untrained,
            "search_precision": options.search_precision,
            **_sizes(options),
            **changes,
        }
    )


def arguments_of(options: argparse.Namespace) -> list[str]:
    """Return the same as arguments of the command line."""
    arguments = ["--model", options.model, "--task", options.task, "--epsilon", str(options.epsilon)]
    arguments += ["--trials", str(options.trials), "--search-precision", options.search_precision]
    if options.data:
        arguments += ["--data", options.data]
    for column in options.text_columns or ():
        arguments += ["--text-columns", column]
    if options.label_column:
        arguments += ["--label-column", options.label_column]
    if options.allow_untrained:
        arguments += ["--allow-untrained"]
    for name, size in _sizes(options).items():
        arguments += [f"--{name.replace('_', '-')}", str(size)]
    return arguments


def _sizes(options: argparse.Namespace) -> dict[str, int]:
    roles = ("calibration_examples", "search_examples", "verification_examples")
    return {name: getattr(options, name) for name in roles if getattr(options, name) is not None}
