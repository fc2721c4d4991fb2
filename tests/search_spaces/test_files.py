"""What is written whole: by many processes at once, by one that is killed, onto a disk that refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from search_spaces.files import written_whole

WRITE = """
import sys
from pathlib import Path
from search_spaces.files import written_whole
for turn in range(int(sys.argv[3])):
    with written_whole(Path(sys.argv[1]), durable=False) as temporary, temporary.open("w") as file:
        for line in range(20):
            print(sys.argv[2], file=file, flush=True)
    assert len(set(Path(sys.argv[1]).read_text().split())) == 1
    print(turn, flush=True)
"""


def writer(path: Path, word: str, turns: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITE, str(path), word, str(turns)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_that_write_one_file_never_rename_each_others_half(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "table.json"
    processes = [writer(path, word, 200) for word in ("left", "right", "middle")]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert [len(set(path.read_text().split())), path.read_text().count("\n")] == [1, 20]
    assert list(path.parent.iterdir()) == [path]


def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    process = writer(path, "word", 1_000_000)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate()
    assert path.read_text() == "word\n" * 20


@pytest.mark.parametrize("durable", [True, False])
def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), written_whole(path, durable=durable) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), written_whole(tmp_path / "place", durable=durable) as temporary:
        temporary.mkdir()
        (temporary / "half").write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_replaces_an_empty_one_and_no_other(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with written_whole(place) as temporary:
        (temporary / "deep").mkdir(parents=True)
        (temporary / "deep" / "file").write_text("first")
    with pytest.raises(OSError, match="place"), written_whole(place) as temporary:
        temporary.mkdir()
        (temporary / "file").write_text("second")
    assert [each.relative_to(tmp_path).as_posix() for each in sorted(tmp_path.rglob("*"))] == [
        "place",
        "place/deep",
        "place/deep/file",
    ]
