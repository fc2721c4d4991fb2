"""Which engine options name, how many workers a machine takes, and what is left behind by one that was killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optimizer.engine import ALONE, Engine, engine_given, engine_of
from optimizer.errors import InputError
from optimizer.executors.capacity import GIB, free_bytes, refuse_more_than_fit, shares_of
from optimizer.executors.machine import name_of, remove_left
from studies.ownership import Owner


@pytest.mark.parametrize(
    ("options", "engine"),
    [
        ({}, ALONE),
        ({"workers": 1}, ALONE),
        ({"name": "in-process"}, ALONE),
        ({"workers": 2}, Engine(name="processes", workers=2)),
        ({"name": "processes"}, Engine(name="processes", workers=None)),
        ({"candidate_timeout": 60.0}, Engine(name="processes", workers=1, candidate_timeout=60.0)),
    ],
)
def test_options_name_an_engine(options: dict[str, Any], engine: Engine) -> None:
    assert engine_of(**options) == engine


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "process"}, "engine: unknown name 'process'; did you mean 'processes'"),
        ({"workers": 0}, "workers: at least 1, got 0"),
        ({"workers": 2, "name": "in-process"}, "workers: of one process are 1"),
        ({"name": "in-process", "candidate_timeout": 1.0}, "candidate_timeout: ends a process"),
        ({"candidate_timeout": 0.0}, "candidate_timeout: a number of seconds above 0"),
        ({"candidate_timeout": float("nan")}, "candidate_timeout: a number of seconds above 0"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        engine_of(**options)


def test_python_gives_a_number_or_an_engine() -> None:
    assert engine_given(1) == ALONE
    assert engine_given(3) == Engine(name="processes", workers=3)
    assert engine_given(Engine(name="processes", workers=1)).name == "processes"
    for wrong in (2.0, True, None, "2"):
        with pytest.raises(InputError, match="workers: must be a number or an Engine, got "):
            engine_given(wrong)


@pytest.mark.parametrize(
    ("cores", "workers", "threads", "shares"),
    [
        ((0, 1, 2, 3), 2, None, (2, [(0, 1), (2, 3)])),
        ((0, 1, 2, 3), 2, 1, (1, [(0, 1), (2, 3)])),
        ((4, 6, 7), 2, None, (1, [(4,), (6,)])),
        ((0, 1, 2, 3), None, 2, (2, [(0, 1), (2, 3)])),
        ((5,), None, None, (1, [(5,)])),
    ],
)
def test_workers_have_cores_of_their_own(
    cores: tuple[int, ...], workers: int | None, threads: int | None, shares: object
) -> None:
    assert shares_of(cores, workers, threads) == shares


@pytest.mark.parametrize(
    ("workers", "threads", "said"),
    [
        (3, None, r"3 of 1 thread\(s\) need 3 cores, and this machine has 2; at most 2 fit"),
        (2, 2, r"2 of 2 thread\(s\) need 4 cores, and this machine has 2; at most 1 fit"),
        (None, 4, "and this machine has 2; give `threads` of at most 2"),
    ],
)
def test_more_workers_than_cores_are_refused(workers: int | None, threads: int | None, said: str) -> None:
    with pytest.raises(InputError, match=f"workers: .*{said}"):
        shares_of((0, 1), workers, threads)


def test_more_workers_than_memory_allows_are_refused_with_the_number_that_fits() -> None:
    refuse_more_than_fit(3, GIB, 3 * GIB)
    with pytest.raises(
        InputError, match=r"workers: 4 need about 4\.0 GiB .* this machine has 3\.0 GiB left; at most 3"
    ):
        refuse_more_than_fit(4, GIB, 3 * GIB)


def test_a_container_s_limit_counts(tmp_path: Path) -> None:
    limit, used = tmp_path / "memory.max", tmp_path / "memory.current"
    unlimited = free_bytes(())
    limit.write_text("max\n")
    used.write_text("1000\n")
    assert free_bytes(((limit, used),)) == pytest.approx(unlimited, rel=0.2)
    limit.write_text("5000\n")
    assert free_bytes(((limit, used),)) == 4000


def test_what_a_killed_driver_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    here = Owner.of_this_process()
    gone = Owner(host=here.host, pid=here.pid, started=here.started - 1000)
    elsewhere = Owner(host="elsewhere", pid=1, started=1.0)
    for owner in (here, gone, elsewhere):
        (tmp_path / name_of(owner, 1)).touch()
    remove_left(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(name_of(each, 1) for each in (here, elsewhere))
