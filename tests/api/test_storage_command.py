"""`optimize storage` on the command line: what is said, and with which exit code."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import run_here
from sqlalchemy import update

from studies.jobs import JobKind
from studies.opening import open_service, open_store
from studies.records import StudyState
from studies.sql.tables import StudyRow


@pytest.fixture
def url(tmp_path: Path) -> str:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    store.create_study("first", {"model": "m"}, state=StudyState.COMPLETE)
    store.close()
    return f"sqlite:///{tmp_path}/s.sqlite"


def storage(url: str, *arguments: str | Path) -> tuple[int, str, str]:
    done = run_here(["--storage", url, "storage", *map(str, arguments)], environment={}, directory=Path("/"))
    return done.returncode, done.stdout, done.stderr


def said(answer: Sequence[object]) -> object:
    return json.loads(str(answer[1]))


def test_each_command_says_what_it_did(url: str, tmp_path: Path) -> None:
    assert storage(url, "migrate") == (0, f"{url}: version 0012, up to date\n", "")
    code, out, _ = storage(url, "backup", tmp_path / "kept.sqlite")
    assert (code, out.startswith(f"{tmp_path}/kept.sqlite: ")) == (0, True)
    copied = f"sqlite:///{tmp_path}/copy.sqlite"
    code, out, _ = storage(f"sqlite:///{tmp_path}/kept.sqlite", "copy", copied)
    assert (code, out) == (0, f"{copied}: 2 rows copied, each equal to sqlite:///{tmp_path}/kept.sqlite\n")
    code, out, _ = storage(copied, "check")
    assert (code, out.splitlines()[-1]) == (0, "sound")
    assert said(storage(copied, "check", "--json")) == {
        "schema_version": 1,
        "storage": copied,
        "version": "0012",
        "is_current": True,
        "size_bytes": (tmp_path / "copy.sqlite").stat().st_size,
        "rows": dict.fromkeys(said(storage(copied, "check", "--json"))["rows"], 0) | {"studies": 1, "events": 1},  # type: ignore[index]
        "faults": [],
        "is_open": [],
    }


def test_what_is_refused_or_wrong_ends_with_2(url: str, tmp_path: Path) -> None:
    code, out, err = storage(url, "copy", url)
    assert (code, out) == (2, "")
    assert "cannot be copied into itself" in err
    code, _, err = storage(f"sqlite:///{tmp_path}/missing.sqlite", "check")
    assert (code, "no such database" in err) == (2, True)
    code, _, err = storage(url, "copy", "mysql://here/x")
    assert (code, "'mysql' is not supported" in err) == (2, True)
    with closing(sqlite3.connect(tmp_path / "s.sqlite")) as connection:
        connection.execute("UPDATE studies SET spec = '{'")
        connection.commit()
    code, out, _ = storage(url, "check")
    assert (code, "fault: table studies, id 1: cannot be read" in out) == (2, True)
    code, _, err = storage(url, "copy", f"sqlite:///{tmp_path}/copy.sqlite")
    assert (code, "names all such rows" in err) == (2, True)


def test_pruning_lists_first_and_deletes_on_request(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.sqlite"
    with closing(open_service(url)) as service:
        for slug in ("old", "bought", "fresh", "exporting"):
            study = service.store.create_study(slug, {"text": "x" * 90_000}, state=StudyState.COMPLETE)
            if slug == "bought":
                service.store.add_purchase(study.id, 1, plan={}, keys=b"k", texts=[])
        service.jobs.enqueue(study.id, JobKind.EXPORT, {})
        with service.database.write() as session:
            months_ago = datetime.now(UTC) - timedelta(days=90)
            session.execute(update(StudyRow).where(StudyRow.slug != "fresh").values(updated_at=months_ago))
    code, out, err = storage(url, "prune", "--older-than", "89")
    assert (code, out) == (0, f"old: complete, last written {months_ago:%Y-%m-%d}; would be deleted\n")
    assert "bought stays: labels were bought for it" in err
    assert "exporting stays: it runs, or jobs of it wait" in err
    assert "--yes deletes these" in err
    assert storage(url, "prune", "--older-than", "91", "--yes")[1] == ""
    with closing(open_store(url, read_only=True)) as store:
        assert len(store.studies()) == 4
    answer = json.loads(storage(url, "prune", "--older-than", "89", "--yes", "--json")[1])
    assert (answer["deleted"], answer["studies"], set(answer["kept"])) == (True, ["old"], {"bought", "exporting"})
    assert answer["bytes"][0] - answer["bytes"][1] > 80_000
    with closing(open_store(url, read_only=True)) as store:
        assert [study.slug for study in store.studies()] == ["exporting", "fresh", "bought"]
    assert storage(url, "prune", "--older-than", "-1")[0] == 2
