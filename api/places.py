"""Places: the files that a study names on this machine, which stay below the directories that the operator allows.

A place is resolved and checked when a study is admitted, right before it is loaded and once more when it has been
loaded, with every link in it. A link that is put there and taken away again within the loading goes unnoticed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from optimizer.errors import InputError
from optimizer.families.names import names_of_places
from optimizer.progress import Event, Listener
from optimizer.spec import StudySpec

LOADING = "load"
FILES = ("weights", "verification_data")  # never on a hub
OUTSIDE = "local paths must lie below a directory that the operator allows (--allow-path)"
Found = Mapping[str, tuple[Path, int, int]]  # by field: the real path, its device and its inode


def looks_like_a_path(name: str) -> bool:
    """Whether a name is not a hub id (plain words with at most one slash), or exists on this machine."""
    parts = name.split("/")
    is_plain = len(parts) <= 2 and not name.startswith(("/", ".", "~")) and not {"", ".."} & {*parts}
    return not is_plain or "\\" in name or resolved(name) is None or Path(name).exists()


def resolved(name: str) -> Path | None:
    """Return where a path leads; None for one that no file can have, such as that of an unknown user."""
    try:
        place = Path(name).expanduser().resolve()
        place.exists()
    except (OSError, RuntimeError, ValueError):
        return None
    return place


def is_below(place: Path, roots: Sequence[Path]) -> bool:
    """Whether a resolved path is one of the roots or below one."""
    return any(place.is_relative_to(root.resolve()) for root in roots)


def local_places(spec: StudySpec) -> dict[str, str]:
    """Return what a study names on this machine, by field."""
    named = names_of_places(spec)
    return {field: name for field, name in named.items() if field in FILES or looks_like_a_path(name)}


class Places:
    """What a study names, and `texts` of its own, as found when this is made. Raises `InputError` outside the roots."""

    def __init__(self, spec: StudySpec, roots: Sequence[Path], *, texts: str | None = None) -> None:
        self._named = {**local_places(spec), **({} if texts is None else {"texts": texts})}
        self._roots = roots
        self._found = self._look()

    def check(self) -> None:
        """Raise `InputError` if a path now leads elsewhere."""
        found = self._look()
        for field in {*found, *self._found}:
            if found.get(field) != self._found.get(field):
                raise InputError(field, "its place was exchanged while it was read; run the study again")

    def watched(self, listener: Listener) -> Listener:
        """Return a listener that checks once, when the loading is over."""
        has_checked = False

        def listen(event: Event) -> None:
            nonlocal has_checked
            if not has_checked and event.stage != LOADING:
                has_checked = True
                self.check()
            listener(event)

        return listen

    def _look(self) -> Found:
        found: dict[str, tuple[Path, int, int]] = {}
        for field, name in self._named.items():
            place = resolved(name)
            if place is None or not is_below(place, self._roots):
                raise InputError(field, OUTSIDE)
            if not place.exists():
                raise InputError(field, f"there is no {place}")
            if any(not is_below(target, self._roots) for target in _targets(place)):
                raise InputError(field, f"a link in {place.name} leads elsewhere; {OUTSIDE}")
            status = place.stat()
            found[field] = place, status.st_dev, status.st_ino
        return found


def _targets(place: Path) -> Iterator[Path]:
    """Yield where the links below a directory lead."""
    for folder, folders, files in os.walk(place):
        yield from (path.resolve() for name in (*folders, *files) if (path := Path(folder, name)).is_symlink())
