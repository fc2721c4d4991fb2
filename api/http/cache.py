"""Results kept under the revision of their study, so never stale."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence, Sized
from threading import Lock
from typing import Generic, TypeVar

from optimizer.fronts.fronts import members_of
from optimizer.views.member import Member
from studies.records import Candidate, Study

MOST_BYTES = 64 * 2**20
MOST_CANDIDATES = 20_000  # some 10 kB each
Held = TypeVar("Held", bound=Sized)


class Cache(Generic[Held]):
    """Holds values up to a total length; the least recently used go first. Threads may share one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._length = 0
        self._values: OrderedDict[Hashable, Held] = OrderedDict()
        self._lock = Lock()

    def held(self, key: Hashable) -> Held | None:
        """Return the value under `key` if it is held."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def get(self, key: Hashable, compute: Callable[[], Held]) -> Held:
        """Return the value under `key`, computed where it is not held. Two threads may compute the same one."""
        held = self.held(key)
        if held is not None:
            return held
        value = compute()
        with self._lock:
            before = self._values.pop(key, None)
            self._values[key] = value
            self._length += len(value) - (0 if before is None else len(before))
            while self._length > self._most and len(self._values) > 1:
                self._length -= len(self._values.popitem(last=False)[1])
        return value


class Records:
    """Candidates of studies as the store has them, and as they are handed out. `read` gives those of a study's id."""

    def __init__(self, read: Callable[[int], Sequence[Candidate]]) -> None:
        self._read = read
        self._candidates: Cache[Sequence[Candidate]] = Cache(MOST_CANDIDATES)
        self._members: Cache[Sequence[Member]] = Cache(MOST_CANDIDATES)

    def candidates(self, study: Study) -> Sequence[Candidate]:
        """Return a study's candidates, at its revision or a later one."""
        return self._candidates.get((study.id, study.revision), lambda: self._read(study.id))

    def members(self, study: Study) -> Sequence[Member]:
        """Return the views of all evaluated candidates, judged at the study's own ε."""
        return self._members.get((study.id, study.revision), lambda: members_of(study, self.candidates(study)))
