"""Opening: what is refused, with which words, and that nothing is changed by a refusal."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest
import store_examples as some

from studies.opening import default_storage_url, open_store
from studies.store import StoreUnavailableError, StoreUnusableError


def files(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def filled(path: Path) -> str:
    url = f"sqlite:///{path}"
    store = open_store(url)
    study = store.create_study("first", {})
    store.start_candidate(study.id, some.proposal(1))
    store.close()
    return url


def test_studies_go_to_the_users_data_directory() -> None:
    directory = platformdirs.user_data_dir("pruning-optimizer", appauthor=False)
    assert default_storage_url() == f"sqlite:///{directory}/studies.sqlite"


@pytest.mark.parametrize("module", ["studies.store", "studies.records", "studies.opening"])
def test_importing_loads_neither_torch_nor_a_database_library(module: str) -> None:
    heavy = f"import sys, {module}; print({{'torch', 'sqlalchemy', 'alembic', 'sqlite3'}} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", heavy], text=True).strip() == "set()"


def test_reading_a_missing_database_makes_none(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sub' / 'studies.sqlite'}"
    with pytest.raises(StoreUnusableError, match="no such database; run a study there first") as caught:
        open_store(url, read_only=True)
    assert url in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_reading_an_empty_file_leaves_it_empty(tmp_path: Path) -> None:
    path = tmp_path / "studies.sqlite"
    path.touch()
    with pytest.raises(StoreUnusableError, match="no studies in this database"):
        open_store(f"sqlite:///{path}", read_only=True)
    assert files(tmp_path) == {str(path): b""}


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes, read_only: bool) -> None:
    path = tmp_path / "studies.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreUnusableError, match=r"not a sound SQLite database; name another file, or restore"):
        open_store(f"sqlite:///{path}", read_only=read_only)
    assert files(tmp_path) == {str(path): content}


@pytest.mark.parametrize("read_only", [True, False])
def test_a_directory_is_no_database(tmp_path: Path, read_only: bool) -> None:
    with pytest.raises(StoreUnusableError, match=str(tmp_path)):
        open_store(f"sqlite:///{tmp_path}", read_only=read_only)


@pytest.mark.parametrize(
    "url",
    ["", "studies.sqlite", "/tmp/studies.sqlite", "postgresql://host:port/x", "sqlite:/x", "mysql://h/d", "nosuch://x"],
)
def test_what_is_no_supported_url_is_answered_with_the_forms(url: str) -> None:
    with pytest.raises(StoreUnusableError, match="give sqlite:///FILE or postgresql"):
        open_store(url)


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///:memory:", "sqlite:///x?mode=ro", "sqlite:///file:x?uri=true", "sqlite+aiosqlite:///x"],
)
def test_a_sqlite_database_is_a_file_without_options(url: str) -> None:
    with pytest.raises(StoreUnusableError, match="is a file and takes no options"):
        open_store(url)


def test_a_missing_driver_is_named_with_the_way_to_install_one() -> None:
    with pytest.raises(StoreUnusableError, match=r'pip install "pruning-optimizer\[postgres\]"'):
        open_store("postgresql+psycopg2cffi://localhost/x")


@pytest.mark.parametrize("read_only", [True, False])
def test_an_unreachable_server_is_said_so_without_the_password(read_only: bool) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreUnavailableError, match="cannot be reached") as caught:
        open_store("postgresql+psycopg://me:hunter2@localhost:1/x?password=hunter3", read_only=read_only)
    assert "hunter" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_malformed_url_does_not_give_its_password_away() -> None:
    with pytest.raises(StoreUnusableError) as caught:
        open_store("postgresql//me:hunter2@localhost/x")
    assert "hunter" not in str(caught.value)


AS_NOBODY = """
import os, sys, tempfile
from studies.opening import open_store
from studies.store import StoreError
with tempfile.TemporaryDirectory() as directory:  # load everything while all of it can be read
    open_store(f"sqlite:///{directory}/x.sqlite").close()
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    store = open_store(sys.argv[1], read_only=sys.argv[2] == "reading")
    print(len(store.candidates(1)))
except StoreError as error:
    print(type(error).__name__, error)
"""


def as_nobody(url: str, how: str) -> str:
    """Open as a user without rights of its own, since root may write anywhere."""
    command = [sys.executable, "-c", AS_NOBODY, url, how]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "PermissionError" in done.stderr or "ModuleNotFoundError" in done.stderr:
        pytest.skip("the user 'nobody' may not read this source tree")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can reach and read, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_directory_without_write_permission_is_read_but_not_written(open_directory: Path) -> None:
    directory = open_directory / "locked"
    directory.mkdir()
    url = filled(directory / "studies.sqlite")
    directory.chmod(0o555)
    (directory / "studies.sqlite").chmod(0o444)
    before = files(directory)
    assert as_nobody(url, "reading") == "1"
    said = as_nobody(url, "writing")
    assert said.startswith("StoreUnusableError")
    assert "make it and its directory writable" in said
    assert files(directory) == before


def test_a_file_without_write_permission_is_read_but_not_written(open_directory: Path) -> None:
    directory = open_directory / "open"
    directory.mkdir()
    url = filled(directory / "studies.sqlite")
    directory.chmod(0o777)
    (directory / "studies.sqlite").chmod(0o444)
    before = files(directory)
    assert as_nobody(url, "reading") == "1"
    said = as_nobody(url, "writing")
    assert said.startswith("StoreUnusableError")
    assert "writable" in said
    assert {name: content for name, content in files(directory).items() if name in before} == before


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusableError, match="cannot be made"):
        open_store(f"sqlite:///{tmp_path}/file/sub/studies.sqlite")


FULL_DISK = """
import resource, sys
from studies.opening import open_store
from studies.store import StoreError
import store_examples as some
store = open_store(sys.argv[1])
study = store.study("first")
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
for number in range(10_000):
    try:
        candidate = store.start_candidate(study.id, some.proposal(number + 10))
        store.finish_candidate(candidate.id, some.outcome())
    except StoreError as error:
        print(number, type(error).__name__, error)
        break
"""


def test_a_disk_that_fills_up_while_writing_costs_only_the_candidate_in_flight(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    url = filled(tmp_path / "studies.sqlite")
    command = [sys.executable, "-c", FULL_DISK, url]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    said = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    number, kind, text = said.split(" ", 2)
    assert kind == StoreUnavailableError.__name__
    assert "the disk is full or failing; nothing of this write was kept" in text
    store = open_store(url)
    candidates = store.candidates(store.study("first").id)
    assert int(number) + 1 <= len(candidates) <= int(number) + 2
    assert all(each.outcome == some.outcome() for each in candidates[1 : int(number)])
    store.close()
