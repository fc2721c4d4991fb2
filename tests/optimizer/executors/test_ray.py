"""Actors of a Ray cluster keep the contract; what a cluster lacks is said before a study begins."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from executor_contract import LIMIT_S, Scripted, WorkersContract, close_while_busy, in_a_service

from optimizer.engine import Engine
from optimizer.errors import InputError, MachineError
from optimizer.executors import cluster
from optimizer.executors.actors import Node
from optimizer.executors.cluster import (
    Cluster,
    Room,
    connected,
    installed,
    refuse_others,
    refuse_silent,
    share_of_gpus,
)
from optimizer.executors.executor import Evaluating, Executor
from optimizer.spec import StudySpec

pytestmark = pytest.mark.filterwarnings(  # Ray leaves the processes of a cluster that it has started to themselves
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
STORE_BYTES = 300 << 20
SPEC = StudySpec.model_validate({"model": "phrases-mini", "task": "phrases", "epsilon": 0.01, "threads": 1})
ENGINE = Engine(name="ray", workers=2, candidate_timeout=LIMIT_S)


class TestRay(WorkersContract):
    @pytest.fixture(scope="class")
    def place(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
        pytest.importorskip("ray", reason="the extra `ray` is not installed")
        from ray._private import ray_constants

        with pytest.MonkeyPatch.context() as patch:
            patch.delenv(cluster.VARIABLE, raising=False)
            patch.setattr(cluster, "cores_here", lambda: (0, 1))
            patch.setattr(ray_constants, "DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES", STORE_BYTES)
            with ExitStack() as open_places:
                try:
                    opened = open_places.enter_context(connected(ENGINE, SPEC, tmp_path_factory.mktemp("cache")))
                except MachineError as busy:  # which the machine is to blame for
                    pytest.skip(str(busy))
                yield opened

    @pytest.fixture(scope="class")
    def executor(self, place: Cluster) -> Iterator[Executor[Evaluating]]:
        with in_a_service(), place.executor(Scripted()) as made:
            yield made

    @pytest.fixture
    def closed_while_busy(self, executor: Executor[Evaluating]) -> tuple[list[int], float]:
        return close_while_busy(executor)

    def test_a_cluster_says_what_its_nodes_are(self, place: Cluster) -> None:  # after the last test of the contract
        (node,) = place._looked_at()
        assert node.sees
        assert f"ray {sys.modules['ray'].__version__}" in node.versions
        assert node.versions.startswith("Python ")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"engine: 'ray' needs Ray .*pip install 'pruning-optimizer\[ray\]'"):
        installed()


@pytest.mark.parametrize("late", [1, 2])
def test_a_busy_machine_has_two_tries_to_start_a_cluster(late: int) -> None:
    tried = []

    class Late:
        @staticmethod
        def init(*_: Any, **__: Any) -> None:
            tried.append("init")
            if tried.count("init") <= late:
                raise Exception("The current node timed out during startup.")

        @staticmethod
        def shutdown() -> None:
            tried.append("shutdown")

    if late == cluster.STARTS:
        with pytest.raises(MachineError, match="Ray does not start within 30 s: this machine is too busy"):
            cluster._start(Late, {})
    else:
        cluster._start(Late, {})
    assert tried[:3] == ["init", "shutdown", "init"]
    assert tried.count("init") == cluster.STARTS


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ray://h:10001", "is that of Ray's client; run the study in the cluster with `ray job submit`"),
        ("cluster", "'cluster' is not host:port or 'auto'"),
        ("h:port", "'h:port' is not host:port or 'auto'"),
        ("127.0.0.1:99999", "nobody answers at '127.0.0.1:99999'"),
        ("127.0.0.1:1", "nobody answers at '127.0.0.1:1'"),
    ],
)
def test_an_address_that_is_no_cluster_s_is_refused(address: str, said: str) -> None:
    with pytest.raises(InputError, match=f"address: .*{said}"):
        refuse_silent(address)


@pytest.mark.parametrize(
    ("words", "said"), [(b"", "nobody answers at .*timed out"), (b"HTTP/1.1 400 Bad Request\r\n", "is no head of Ray")]
)
def test_who_is_silent_or_speaks_otherwise_is_no_cluster(
    words: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "ANSWER_S", 0.3)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(words)
                connection.recv(100)
                time.sleep(0.5)

        speaker = Thread(target=speak)
        speaker.start()
        with pytest.raises(InputError, match=f"address: .*{said}"):
            refuse_silent(f"127.0.0.1:{server.getsockname()[1]}")
        speaker.join()


def test_nodes_of_other_versions_or_without_the_cache_are_refused(tmp_path: Path) -> None:
    fine = Node("a", "Python 3.11.7, ray 2.55.1", "EPYC", sees=True)
    refuse_others([fine], fine.versions, tmp_path)
    older = Node("b", "Python 3.11.7, ray 2.40.0", "EPYC", sees=True)
    with pytest.raises(InputError, match=r"address: b has .*ray 2\.40\.0, this driver .*ray 2\.55\.1; make them equal"):
        refuse_others([fine, older], fine.versions, tmp_path)
    with pytest.raises(InputError, match=r"cache_dir: .* is not seen on c"):
        refuse_others([Node("c", fine.versions, "EPYC", sees=False)], fine.versions, tmp_path)


def test_workers_share_what_nodes_have() -> None:
    nodes: list[dict[str, Any]] = [{"CPU": 8.0, "GPU": 2.0, "memory": 10.0}, {"CPU": 3.0, "memory": 4.0}]
    assert [Room(2).times_in(node) for node in nodes] == [4, 1]
    assert [Room(2, memory=3).times_in(node) for node in nodes] == [3, 1]
    assert [Room(1, gpus=0.5).times_in(node) for node in nodes] == [4, 0]
    shares = {workers: share_of_gpus(nodes, workers) for workers in (None, 1, 2, 3, 4, 5)}
    assert shares == {None: 1.0, 1: 1.0, 2: 1.0, 3: 0.5, 4: 0.5, 5: 1 / 3}
