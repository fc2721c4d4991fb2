from __future__ import annotations

from pathlib import Path

import pytest

from objectives.caches import Cache, data_caches


def write(root: Path, index: int, **texts: str) -> None:
    place = root / f"index{index}"
    place.mkdir(parents=True)
    for name, text in texts.items():
        (place / name).write_text(f"{text}\n")


def test_caches_of_data_are_read_nearest_first(tmp_path: Path) -> None:
    write(tmp_path, 0, level="3", type="Unified", size="32M", shared_cpu_list="0-3,8")
    write(tmp_path, 1, level="1", type="Instruction", size="32K", shared_cpu_list="0")
    write(tmp_path, 2, level="1", type="Data", size="48K", shared_cpu_list="0,4")
    assert data_caches(tmp_path) == (Cache(1, 48 * 2**10, 2), Cache(3, 32 * 2**20, 5))


@pytest.mark.parametrize("texts", [{}, {"level": "2"}, {"level": "x", "size": "1K"}, {"level": "2", "size": "K"}])
def test_what_a_system_does_not_tell_is_left_out(tmp_path: Path, texts: dict[str, str]) -> None:
    write(tmp_path, 0, **texts)
    assert data_caches(tmp_path) == ()
    assert data_caches(tmp_path / "missing") == ()
