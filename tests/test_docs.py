"""The docs know every command, every option and every name that can be chosen; their links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main

from api.cli.app import app
from optimizer.families.names import MODELS, TASK_NAMES
from optimizer.spec import CostName, CriterionName, MetricName, SamplerName

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def commands(command: Any, name: str = "optimize") -> Iterator[tuple[str, Any]]:
    yield name, command
    for sub, made in getattr(command, "commands", {}).items():
        yield from commands(made, f"{name} {sub}")


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_has_its_help_and_its_line_in_the_docs(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    is_group = bool(getattr(command, "commands", {})) and name != "optimize"
    assert is_group or name in TEXT or re.search(rf"{name.rsplit(' ', 1)[0]} \S*{name.rsplit(' ', 1)[1]}", TEXT)
    for parameter in command.params:
        if parameter.name == "help":
            continue
        assert getattr(parameter, "help", ""), parameter.name
        if parameter.opts[0].startswith("--"):
            assert re.search(rf"`?{parameter.opts[0]}\b", TEXT), f"{name} {parameter.opts[0]} is not in the docs"


@pytest.mark.parametrize(
    "word",
    [
        *get_args(SamplerName),
        *get_args(CriterionName),
        *get_args(MetricName),
        *get_args(CostName),
        *MODELS,
        *TASK_NAMES,
    ],
)
def test_every_name_that_can_be_chosen_is_in_the_docs(word: str) -> None:
    assert f"`{word}`" in TEXT


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_named_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", text):
        assert (page.parent / target).exists(), target
    for target in re.findall(r"`((?:api|objectives|optimizer|search_spaces|studies|benchmarks)/[\w/.]+)`", text):
        assert (ROOT / target).exists(), target
