"""Answers that were computed once, kept under the revision of the study they were computed from, so never stale."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

MOST_BYTES = 64 * 2**20


class AnswerCache:
    """The least recently used answers go first. Threads may share one."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._held = 0
        self._answers: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = Lock()

    def held(self, key: Hashable) -> bytes | None:
        """Return the answer under `key` if it is held."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
            return self._answers.get(key)

    def get(self, key: Hashable, compute: Callable[[], bytes]) -> bytes:
        """Return the answer under `key`, computed where it is not held. Two threads may compute the same one."""
        held = self.held(key)
        if held is not None:
            return held
        answer = compute()
        with self._lock:
            self._held += len(answer) - len(self._answers.get(key, b""))
            self._answers[key] = answer
            while self._held > self._most and len(self._answers) > 1:
                self._held -= len(self._answers.popitem(last=False)[1])
        return answer
