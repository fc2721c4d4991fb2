"""Wording: the engine names parameters, as in "data: give `label_column`"; the command line says its options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from optimizer.fields.fields import offered
from optimizer.spec import StudySpec

FLAGS: Mapping[str, str] = {field.path: field.flag for field in offered(StudySpec)}
AT_FAULT = re.compile(r"(?:^|(?<=: ))([a-z_.]+)(?=: )")
NAMED = re.compile(r"`([a-z_.]+)(?:=([^`]+))?`")


def in_flags(text: str, flags: Mapping[str, str] = FLAGS) -> str:
    """Return a text with an option for every parameter that it names and that `flags` knows."""
    text = AT_FAULT.sub(lambda found: flags.get(found[1], found[1]), text)
    return NAMED.sub(lambda found: _option(found, flags), text)


def flags_of(command: Any) -> dict[str, str]:  # Any: click's command, which typer hides
    """Return the options of a command and of those below it by parameter, without names that are an argument too."""
    parameters = list(_parameters(command))
    options = {p.opts[0].removeprefix("--").replace("-", "_"): p.opts[0] for p in parameters if p.opts[0][0] == "-"}
    arguments = {p.name for p in parameters if p.param_type_name == "argument"}
    return {**{name: flag for name, flag in options.items() if name not in arguments}, **FLAGS}


def _option(found: re.Match[str], flags: Mapping[str, str]) -> str:
    name, value = found.groups()
    if name not in flags:
        return found[0]
    return f"{flags[name]} {value}" if value else flags[name]


def _parameters(command: Any) -> Iterator[Any]:
    yield from command.params
    for below in getattr(command, "commands", {}).values():
        yield from _parameters(below)
