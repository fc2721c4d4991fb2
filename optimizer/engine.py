"""Engine: where the candidates of a run are evaluated. A choice of the run: no result and no stored spec names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from optimizer.errors import InputError, UnknownNameError

EngineName = Literal["in-process", "processes"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """`workers` evaluate candidates at the same time; None: as many as fit.

    `limit_s` are the seconds after which a candidate has failed.
    """

    name: EngineName = "in-process"
    workers: int | None = 1
    limit_s: float | None = None


ALONE = Engine()


def engine_of(
    engine: str | None = None,
    *,
    workers: int | None = None,
    candidate_timeout: float | None = None,
) -> Engine:
    """Return the engine that options name: processes for several workers or a time limit.

    Raises `InputError` for options that do not go together.
    """
    if engine is not None and engine not in ENGINES:
        raise UnknownNameError("engine", engine, ENGINES)
    name = next((each for each in ENGINES if each == engine), None) or _implied(workers, candidate_timeout)
    if workers is not None and workers < 1:
        raise InputError("workers", f"at least 1, got {workers}")
    if candidate_timeout is not None and not 0 < candidate_timeout < float("inf"):
        raise InputError("candidate_timeout", f"a number of seconds above 0, got {candidate_timeout}")
    if name == "in-process":
        if workers not in (None, 1):
            raise InputError("workers", f"{workers} cannot be one process; leave `engine` out, or give 'processes'")
        if candidate_timeout is not None:
            raise InputError("candidate_timeout", "ends a process; leave `engine` out, or give 'processes'")
        return ALONE
    return Engine(name=name, workers=workers, limit_s=candidate_timeout)


def _implied(workers: int | None, candidate_timeout: float | None) -> EngineName:
    return "processes" if (workers or 1) > 1 or candidate_timeout is not None else "in-process"
