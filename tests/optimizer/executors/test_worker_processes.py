"""Worker processes keep the contract, end with their driver, and say why they cannot start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from executor_contract import LIMIT_S, Scripted, WorkersContract, asked, close_while_busy, in_a_service

from optimizer.errors import MachineError
from optimizer.executors import crew
from optimizer.executors.crew import Crew
from optimizer.executors.executor import Evaluating, Executor
from optimizer.executors.parcel import pack, write_parcel
from optimizer.executors.processes import Place, ProcessWorker


def crew_of(folder: Path, *, limit_s: float | None = LIMIT_S) -> Crew:
    file = folder / "scripted.parcel"
    write_parcel(pack(Scripted()), file)
    return Crew(lambda _: ProcessWorker(file, Place(threads=1)), slots=2, limit_s=limit_s)


class TestProcesses(WorkersContract):
    @pytest.fixture(scope="class")
    def executor(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor[Evaluating]]:
        with in_a_service(), crew_of(tmp_path_factory.mktemp("crew")) as made:
            yield made

    @pytest.fixture
    def closed_while_busy(
        self, executor: Executor[Evaluating]
    ) -> tuple[list[int], float]:  # the last test of the class
        return close_while_busy(executor)


DRIVER = """
import sys, time
from pathlib import Path
sys.path.append(sys.argv[2])
from executor_contract import asked, pid_of
from test_worker_processes import crew_of
made = crew_of(Path(sys.argv[1]), limit_s=None)
print(pid_of(made.submit(asked())), flush=True)
made.submit(asked("hangs"))
time.sleep(60)
"""


STARTING = """
import sys, time
from pathlib import Path
from threading import Thread
import psutil
from loky import process_executor
from optimizer.executors.processes import Place, ProcessWorker
process_executor._SafeQueue.put = lambda *_, **__: None  # what is asked reaches nobody
Thread(target=ProcessWorker(Path(sys.argv[1]), Place(threads=1)).begin, daemon=True).start()
while not (found := [each for each in psutil.Process().children() if "popen_loky_posix" in " ".join(each.cmdline())]):
    time.sleep(0.01)
print(found[0].pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("script", [DRIVER, STARTING], ids=["busy", "starting"])
def test_workers_end_with_a_driver_that_is_killed(tmp_path: Path, script: str) -> None:
    root, here = Path(__file__).parents[3], Path(__file__).parent
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), str(here)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    ) as driver:
        assert driver.stdout is not None
        pid = int(driver.stdout.readline())
        driver.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 200
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid)


def test_a_worker_that_cannot_start_is_an_answer_to_all_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "STARTS", 1)
    missing = tmp_path / "missing.parcel"
    with Crew(lambda _: ProcessWorker(missing, Place(threads=1)), slots=1) as made:
        first = made.submit(asked())
        error = first.exception(60)
        assert isinstance(error, MachineError)
        assert str(missing) in str(error)
        assert made.submit(asked()).exception(60) is first.exception()
