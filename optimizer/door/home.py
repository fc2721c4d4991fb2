"""Home: where a study of Python code is kept, and what it was given; enough to load its models again."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

from optimizer.door.folder import Folder
from optimizer.door.model import Model
from optimizer.errors import InputError
from optimizer.families.encoders.checkpoint import check_lengths
from optimizer.families.encoders.load import checkpoint_of
from optimizer.given import Given
from optimizer.handover.export import reload, write_candidate
from optimizer.pipeline import Pipeline
from optimizer.recovery.weights import build_candidate
from optimizer.spec import StudySpec
from optimizer.workload import Workload
from studies.opening import open_store
from studies.records import Candidate, Study
from studies.store import StudyStore


class Home:
    """A store and a cache, both temporary unless they are given; a temporary one ends with its last user."""

    def __init__(self, store: StudyStore | str | None, cache_dir: Path | str | None) -> None:
        self._temporary = Folder() if store is None or cache_dir is None else None
        place = self._temporary.path if self._temporary else Path()
        self.cache_dir = place / "cache" if cache_dir is None else Path(cache_dir)
        if store is None or isinstance(store, str):
            self.store: StudyStore = open_store(store or f"sqlite:///{place / 'studies.sqlite'}")
            weakref.finalize(self, self.store.close)
        elif hasattr(store, "create_study"):
            self.store = store
        else:
            raise InputError("store", f"must be a store or its URL, such as sqlite:///studies.sqlite, got {store!r}")


class Kept:
    """A stored study with what it was given; its dense model is loaded again at first need, then kept."""

    def __init__(self, name: str, home: Home, given: Given, model: Model) -> None:
        self.name, self.home, self.given = name, home, given
        self._model = model  # keeps the directory of a model that was given loaded
        self._workload: Workload | None = None

    @property
    def study(self) -> Study:
        """The study as it is stored."""
        return self.home.store.study(self.name)

    @property
    def candidates(self) -> list[Candidate]:
        """Its candidates."""
        return list(self.home.store.candidates(self.study.id))

    @property
    def workload(self) -> Workload:
        """Its dense model and examples. Raises `InputError` where they have changed."""
        if self._workload is None:
            self._workload = reload(self.study, cache_dir=self.home.cache_dir, given=self.given)
        return self._workload

    @property
    def max_length(self) -> int:
        """The tokens that a text of the study is cut to."""
        spec = StudySpec.stored(self.study.spec)
        checkpoint = checkpoint_of(spec, self.home.cache_dir, lambda _text, _done, _total: None, self.given)
        return check_lengths(checkpoint, spec)

    def rebuild(self, number: int) -> Any:  # Any: one class per architecture
        """Return a candidate's model, which shares untouched weights with the dense one."""
        candidate = next(candidate for candidate in self.candidates if candidate.number == number)
        study, cache_dir = self.study, self.home.cache_dir
        pipeline = Pipeline.of(StudySpec.stored(study.spec), self.workload, cache_dir)
        return build_candidate(candidate, pipeline, cache_dir=cache_dir, study=study)

    def export(self, number: int, directory: Path, *, as_onnx: bool) -> tuple[Path, ...]:
        """Write a candidate to a new or empty directory. Raises `InputError`."""
        cache_dir = self.home.cache_dir
        return write_candidate(
            self.home.store, self.study, number, directory, self.workload, cache_dir=cache_dir, as_onnx=as_onnx
        )
