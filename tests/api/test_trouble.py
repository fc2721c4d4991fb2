"""What the machine does to a run: full disks, broken databases, checkpoints that want training first."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from command_line import Cli
from safetensors.torch import load_file, save_file
from tiny_checkpoints import save_data, save_tiny

SIZES = {"train": 300, "validation": 260, "test": 240}


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("assets")
    save_tiny(root / "model")
    save_data(root / "data", root / "model", SIZES)
    return root


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, assets: Path) -> Path:
    """A directory whose database has one finished study, named "first"; tests take a copy."""
    root = tmp_path_factory.mktemp("finished")
    cli = Cli(root, assets)
    done = cli(*cli.study("--study", "first", trials=2))
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted without root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)  # this process may hold a part of the bank


def test_a_disk_that_fills_up_with_the_bank_costs_this_study_alone(
    assets: Path, finished: Path, tmp_path: Path, small_disk: Path
) -> None:
    cli = Cli(tmp_path, assets)
    copy(finished, tmp_path)
    full = Cli(tmp_path, assets)
    full.shared[-1] = str(small_disk)
    refused = full(*full.study("--study", "later", trials=3))
    assert refused.returncode == 1, refused.stderr
    assert "no space is left on the disk" in refused.stderr
    assert "--cache-dir" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not list(small_disk.rglob("*.tmp"))
    states = {item["study"]: item["state"] for item in json.loads(cli("studies", "--json").stdout)["items"]}
    assert states == {"first": "complete", "later": "failed"}
    assert cli("resume", "later").returncode == 0  # with room again it goes on


def copy(finished: Path, place: Path) -> None:
    for file in finished.glob("s.sqlite*"):
        shutil.copy(file, place)


def corrupt(database: Path) -> None:
    database.write_bytes(b"this is no database, and it is long enough to be looked at" * 100)


def newer(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


@pytest.mark.parametrize(("damage", "message"), [(corrupt, "not a database"), (newer, "newer version")])
def test_a_database_that_cannot_be_used_is_refused_and_left_alone(
    damage: object, message: str, assets: Path, finished: Path, tmp_path: Path
) -> None:
    cli, database = Cli(tmp_path, assets), tmp_path / "s.sqlite"
    copy(finished, tmp_path)
    damage(database)
    before = database.read_bytes()
    for arguments in (("studies",), cli.study("--study", "second"), ("resume", "first"), ("front", "first")):
        refused = cli(*arguments)
        assert refused.returncode == 2, refused.stderr
        assert message in refused.stderr
        assert "Traceback" not in refused.stderr
    assert database.read_bytes() == before


def test_a_read_only_database_answers_and_takes_nothing(assets: Path, finished: Path, tmp_path: Path) -> None:
    cli = Cli(tmp_path, assets)
    copy(finished, tmp_path)
    with closing(sqlite3.connect(tmp_path / "s.sqlite")) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    bind = ["mount", "--bind", "-o", "ro", str(tmp_path), str(tmp_path)]
    made = subprocess.run(bind, capture_output=True, check=False)
    if made.returncode:
        pytest.skip("a read-only file system cannot be mounted without root")
    try:
        assert cli("show", "first").returncode == 0
        refused = cli(*cli.study("--study", "second", trials=2))
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)
    assert refused.returncode == 2, refused.stderr
    assert "make it and its directory writable" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_checkpoint_whose_new_head_learns_nothing_is_refused_as_it_is(assets: Path, tmp_path: Path) -> None:
    cli = Cli(tmp_path, assets)
    asked = cli.study("--json", trials=2)
    asked[asked.index("--model") + 1] = str(save_headless(tmp_path / "model"))
    first, second = cli(*asked), cli(*asked)
    for refused in (first, second):
        assert refused.returncode == 2, refused.stderr
        assert "no better than always giving the same answer" in refused.stderr
    assert "fine-tuning" in first.stderr
    assert "fine-tuning" not in second.stderr  # what was trained is kept and looked at again
    assert len(list((tmp_path / "cache" / "checkpoints").iterdir())) == 1


def save_headless(directory: Path) -> Path:
    model = save_tiny(directory)
    tensors = load_file(model / "model.safetensors")
    headless = {name: tensor for name, tensor in tensors.items() if not name.startswith("classifier.")}
    save_file(headless, model / "model.safetensors", metadata={"format": "pt"})
    return model
