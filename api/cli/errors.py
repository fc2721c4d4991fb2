"""Errors on the command line: one clear message on standard error, one exit code per kind."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from api.cli.wording import FLAGS, in_flags
from api.client.errors import (
    ApiError,
    ClientError,
    ServerError,
    StudyCancelledError,
    TooManyError,
    UnauthorizedError,
)
from objectives.energy.meter import MeterError
from optimizer.errors import LONGEST_SHOWN, InputError, MachineError, NothingFeasibleError, UnknownNameError
from studies.keys import KeyExistsError, KeyNotFoundError
from studies.store import (
    CandidateNotFoundError,
    LabelError,
    PurchaseError,
    StoreError,
    StoreUnusableError,
    StudyBusyError,
    StudyExistsError,
    StudyNotFoundError,
    StudySlugError,
    StudyTornError,
)

SUCCESS, MACHINE_FAILURE, BAD_INPUT, NOTHING_FEASIBLE, INTERRUPTED = 0, 1, 2, 3, 130

EXIT_CODES: Mapping[type[BaseException], int] = {
    InputError: BAD_INPUT,
    StudyNotFoundError: BAD_INPUT,
    StudyExistsError: BAD_INPUT,
    StudySlugError: BAD_INPUT,
    LabelError: BAD_INPUT,
    PurchaseError: BAD_INPUT,
    CandidateNotFoundError: BAD_INPUT,
    StudyBusyError: BAD_INPUT,
    StudyTornError: BAD_INPUT,
    StoreUnusableError: BAD_INPUT,
    StoreError: MACHINE_FAILURE,
    KeyExistsError: BAD_INPUT,
    KeyNotFoundError: BAD_INPUT,
    NothingFeasibleError: NOTHING_FEASIBLE,
    ApiError: BAD_INPUT,
    ServerError: MACHINE_FAILURE,
    TooManyError: MACHINE_FAILURE,
    StudyCancelledError: INTERRUPTED,
    ClientError: MACHINE_FAILURE,
    MachineError: MACHINE_FAILURE,
    MeterError: MACHINE_FAILURE,
    OSError: MACHINE_FAILURE,
    MemoryError: MACHINE_FAILURE,
}

REMEDIES: Mapping[type[BaseException], str] = {  # added to the error's own message
    UnauthorizedError: "set OPTIMIZE_API_KEY; `optimize keys add NAME` on the server creates a key",
}


def exit_code(error: BaseException) -> int | None:
    """Return the exit code of an expected error, None for one that is a bug and keeps its traceback."""
    return next((EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES), None)


def in_words(error: BaseException, flags: Mapping[str, str] = FLAGS) -> str:
    """Return what is printed of an expected error."""
    remedy = REMEDIES.get(type(error))
    return f"error: {in_flags(str(error), flags)}" + (f"; {remedy}" if remedy else "")


def input_error(error: ValidationError, *above: str) -> InputError:
    """Turn a refused spec, or the part of one that `above` leads to, into an error that names the field."""
    first = error.errors()[0]
    path = ".".join(map(str, (*above, *first["loc"]))) or "study"
    if first["type"] == "extra_forbidden":
        return UnknownNameError("config", path, FLAGS)
    field = next((field for field in FLAGS if path == field or path.startswith(f"{field}.")), path)
    given = repr(first.get("input"))
    text = first["msg"].removeprefix("Value error, ")
    is_shown = first["type"] != "missing" and len(given) <= LONGEST_SHOWN
    return InputError(field, f"{text}, got {given}" if is_shown else text)
