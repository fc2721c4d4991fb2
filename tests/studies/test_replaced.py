"""A SQLite file that is deleted or replaced while it is open: every access says so until it is back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import store_examples as some

from studies.opening import open_service
from studies.store import StoreUnusableError


@pytest.mark.parametrize("replaced", [False, True])
def test_nothing_is_written_into_a_file_that_is_gone(tmp_path: Path, sqlite_url: str, replaced: bool) -> None:
    service = open_service(sqlite_url)
    study = service.store.create_study("first", {})
    service.revisions.of("first")
    path, aside = tmp_path / "studies.sqlite", tmp_path / "aside"
    path.rename(aside)
    if replaced:
        shutil.copy(aside, path)
    for access in (
        service.jobs.waiting,
        lambda: service.revisions.of("first"),
        lambda: service.store.study("first"),
        lambda: service.store.create_study("second", {}),
        lambda: service.store.start_candidate(study.id, some.proposal(1)),
    ):
        with pytest.raises(StoreUnusableError, match="deleted or replaced while it was open"):
            access()
    aside.replace(path)
    assert service.store.study("first") == study
    service.close()
