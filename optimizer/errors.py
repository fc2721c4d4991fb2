"""Errors of the optimizer. Each error about input names the field and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

MOST_LISTED = 10

LONGEST_SHOWN = 200  # characters of a name in a message


class OptimizerError(Exception):
    """Root of the optimizer's own errors. They travel between processes as they are."""

    def __reduce__(self) -> tuple[Any, ...]:  # Any: as in pickle
        return _remade, (type(self), self.args, self.__dict__)


def _remade(kind: type[OptimizerError], arguments: tuple[Any, ...], state: Mapping[str, Any]) -> OptimizerError:
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(state)
    return error


class InputError(OptimizerError, ValueError):
    """Invalid input. `field` is the option or column at fault; the text says what to do instead."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


@contextmanager
def about(field: str, *, instead_of: str) -> Iterator[None]:
    """Have every `InputError` inside name `field`; an error about something else than `instead_of` names both."""
    try:
        yield
    except InputError as error:
        text = str(error).removeprefix(f"{field}: ").removeprefix(f"{instead_of}: ")
        error.field, error.args = field, (f"{field}: {text}",)
        raise


class UnknownNameError(InputError):
    """An unknown name; the text suggests the closest known names."""

    def __init__(self, field: str, name: str, known: Iterable[str], *, remedy: str = "") -> None:
        names = sorted(known)
        called = name[:LONGEST_SHOWN]
        near = difflib.get_close_matches(called.lower(), names, n=3, cutoff=0.4) or names
        tail = f" {remedy}" if remedy else ""
        super().__init__(field, f"unknown name {called!r}; did you mean {', '.join(map(repr, near))}?{tail}")


class BrokenSpecError(InputError):
    """The stored settings of a study cannot be read."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__("study", f"its stored settings cannot be read ({field}: {reason}); delete it, or run it again")


class NothingFeasibleError(OptimizerError):
    """No candidate kept its drop within ε."""


class MachineError(OptimizerError, RuntimeError):
    """The machine failed: out of disk, out of memory, a device that vanished."""


def a_kind(value: object) -> str:
    """Return what a value is, for a message: "an int", "a list", "None"."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def listed(names: Collection[object]) -> str:
    """Return names for a message: the first ten, and how many more there are."""
    shown = ", ".join(repr(name) for name, _ in zip(names, range(MOST_LISTED), strict=False))
    return f"{shown} and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else shown


def alternatives(names: Sequence[str]) -> str:
    """Return names to choose from for a message: "a, b or c"."""
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
