"""Engine: where the candidates of a run are evaluated. A choice of the run: no result and no stored spec names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from optimizer.errors import InputError, UnknownNameError, a_kind

EngineName = Literal["in-process", "processes", "ray"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """`workers` evaluate candidates at the same time; None: as many as fit.

    `address` is a Ray cluster's; without it one is started on this machine. A candidate has failed after
    `candidate_timeout` seconds. Raises `InputError` for what does not go together.
    """

    name: EngineName = "in-process"
    workers: int | None = 1
    address: str | None = None
    candidate_timeout: float | None = None

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise UnknownNameError("engine", self.name, ENGINES)
        if self.workers is not None and self.workers < 1:
            raise InputError("workers", f"at least 1, got {self.workers}")
        if self.candidate_timeout is not None and not 0 < self.candidate_timeout < float("inf"):
            raise InputError("candidate_timeout", f"a number of seconds above 0, got {self.candidate_timeout}")
        if self.address is not None and self.name != "ray":
            raise InputError(
                "address", f"is a Ray cluster's, of which engine {self.name!r} has none; give `engine=ray`"
            )
        if self.name == "in-process":
            self._refuse_others()

    def _refuse_others(self) -> None:
        if self.workers != 1:
            raise InputError("workers", "of one process are 1; leave `engine` out, or give `engine=processes`")
        if self.candidate_timeout is not None:
            raise InputError("candidate_timeout", "ends a process; leave `engine` out, or give `engine=processes`")


ALONE = Engine()


def engine_of(
    name: EngineName | None = None,
    *,
    workers: int | None = None,
    address: str | None = None,
    candidate_timeout: float | None = None,
) -> Engine:
    """Return the engine that options name. Without a name there is one worker, and processes for more or a time limit.

    Raises `InputError` for options that do not go together.
    """
    if workers is None and name in (None, "in-process"):
        workers = 1
    if name is None:
        name = "in-process" if workers == 1 and candidate_timeout is None else "processes"
    return Engine(name=name, workers=workers, address=address, candidate_timeout=candidate_timeout)


def engine_given(workers: object) -> Engine:
    """Return the engine that Python code gives: a number of workers, or an engine. Raises `InputError`."""
    if isinstance(workers, Engine):
        return workers
    if not isinstance(workers, int) or isinstance(workers, bool):
        raise InputError("workers", f"must be a number or an Engine, got {a_kind(workers)}")
    return engine_of(workers=workers)
