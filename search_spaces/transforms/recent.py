"""Recent: what was made last stays in memory, as much as there is room for; a candidate is built for every question."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """What takes memory."""

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""


Value = TypeVar("Value", bound=Sized)


class Recent(Generic[Value]):
    """Values by key, at most `room` bytes of them, and always the last one."""

    def __init__(self, room: int) -> None:
        self._room, self._bytes = room, 0
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value of a key, made where it is none of the recent ones."""
        if key not in self._values:
            self._values[key] = made = make()
            self._bytes += made.nbytes
        self._values.move_to_end(key)
        while len(self._values) > 1 and self._bytes > self._room:
            self._bytes -= self._values.popitem(last=False)[1].nbytes
        return self._values[key]
