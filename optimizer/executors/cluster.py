"""A Ray cluster: one actor for each worker, the prepared study placed once in the object store.

Ray Core alone: actors, references and nodes. What is proposed, stored and tried again is the loop's.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from optimizer.engine import Engine
from optimizer.errors import InputError, MachineError
from optimizer.executors.actors import Node, RayWorker, look
from optimizer.executors.capacity import GIB, cores_here, free_bytes, refuse_more_than_fit, shares_of, worker_bytes
from optimizer.executors.crew import Crew
from optimizer.executors.parcel import pack
from optimizer.spec import StudySpec
from optimizer.workload import Workload

ANSWER_S = 5.0  # that a cluster has for a connection
STARTS = 2  # of a cluster of this machine, before it counts as too busy
LOOK_S = 120.0  # that a node has to import this project
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # RFC 9113, 3.4: with no settings
SETTINGS = 4  # the type of the frame that answers it
VARIABLE = "RAY_ADDRESS"  # that `ray job submit` sets


@contextmanager
def connected(engine: Engine, spec: StudySpec, cache_dir: Path) -> Iterator[Cluster]:
    """Connect to a cluster, or start one on this machine, and leave it afterwards.

    Raises `InputError` where Ray is not installed, nobody answers at the address, or versions differ.
    """
    ray = installed()
    address = engine.address or os.environ.get(VARIABLE)
    was_connected = ray.is_initialized()
    if not was_connected:
        _connect(ray, address)
    try:
        yield Cluster(ray, engine, spec, cache_dir, is_local=address is None and not was_connected)
    finally:
        if not was_connected:
            ray.shutdown()


def installed() -> Any:  # Any: a module that may be missing
    """Return Ray. Raises `InputError` that names the extra."""
    try:
        import ray
    except ImportError as error:
        raise InputError("engine", f"'ray' needs Ray ({error}); pip install 'pruning-optimizer[ray]'") from error
    except KeyError as error:  # of AMD's own package, which zeus brings, where the library of AMD's driver is missing
        raise InputError("engine", f"this Ray cannot be imported beside amdsmi ({error}); install ray<2.56") from error
    return ray


def _connect(ray: Any, address: str | None) -> None:
    quiet = {"logging_level": "ERROR", "log_to_driver": False, "configure_logging": False}
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what Ray asks for in a warning
    if address is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster of one run is nobody's news
        _start(ray, quiet)
        return
    refuse_silent(address)
    try:
        ray.init(address, **quiet)
    except (ConnectionError, TimeoutError, ValueError) as error:
        raise InputError("address", f"no Ray cluster answers at {address!r}: {error}") from error
    except RuntimeError as error:
        if "ersion mismatch" not in str(error):
            raise
        said = " ".join(str(error).split())
        raise InputError("address", f"{said} Give driver and cluster the same versions") from error


def _start(ray: Any, quiet: Mapping[str, Any]) -> None:
    """Start a cluster of this machine. Ray gives its own processes 30 s, which a busy machine may not have."""
    for left in reversed(range(STARTS)):
        try:
            ray.init("local", num_cpus=len(cores_here()), include_dashboard=False, **quiet)
            return
        except Exception as error:  # Ray has no type for it
            ray.shutdown()
            if "timed out during startup" not in str(error):
                raise
            if not left:
                raise MachineError(
                    "Ray does not start within 30 s: this machine is too busy; try again later"
                ) from error


def refuse_silent(address: str) -> None:
    """Raise `InputError` for an address that cannot be one of a cluster, or at which nobody answers.

    Ray itself would try for minutes. Its head speaks gRPC, so it answers the preface of HTTP/2.
    """
    if address == "auto":
        return
    if address.startswith("ray://"):
        raise InputError(
            "address",
            f"{address!r} is that of Ray's client; run the study in the cluster with `ray job submit`, "
            "or give host:port of the head node",
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise InputError("address", f"{address!r} is not host:port or 'auto'")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), ANSWER_S) as connection:
            connection.sendall(PREFACE)
            answer = connection.recv(9)
    except (OSError, OverflowError) as error:
        raise InputError(
            "address", f"nobody answers at {address!r} ({error}); `ray start --head` prints one"
        ) from error
    if len(answer) < 4 or answer[3] != SETTINGS:
        raise InputError("address", f"what answers at {address!r} is no head of Ray; `ray start --head` prints one")


def refuse_others(nodes: Sequence[Node], versions: str, cache_dir: Path) -> None:
    """Raise `InputError` for a node that has other versions than the driver or does not see the cache directory."""
    for node in nodes:
        if node.versions != versions:
            raise InputError("address", f"{node.name} has {node.versions}, this driver {versions}; make them equal")
        if not node.sees:
            raise InputError(
                "cache_dir",
                f"{cache_dir.absolute()} is not seen on {node.name}; give a directory that all nodes share",
            )


@dataclass(frozen=True)
class Room:
    """What one worker takes of a node."""

    cpus: int
    gpus: float = 0.0
    memory: int = 0

    def __str__(self) -> str:
        """Return it in words."""
        return in_short([{"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory}])

    @property
    def options(self) -> dict[str, float]:
        """The same as options of an actor."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus} | ({"memory": self.memory} if self.memory else {})

    def times_in(self, resources: Mapping[str, float]) -> int:
        """Return how many of it a node has."""
        each = {"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory}
        return int(min(resources.get(name, 0.0) // amount for name, amount in each.items() if amount))


class Cluster:
    """`Workplace` of actors on the nodes of a cluster."""

    def __init__(self, ray: Any, engine: Engine, spec: StudySpec, cache_dir: Path, *, is_local: bool) -> None:
        """Raise `InputError` for more workers than a cluster of this machine alone has cores."""
        self._ray, self._limit_s, self._cache_dir, self._is_local = ray, engine.candidate_timeout, cache_dir, is_local
        self._on_gpus = spec.device.startswith("cuda")
        self._workers, self._threads = engine.workers, spec.threads or 1
        if is_local:
            self._threads, shares = shares_of(cores_here(), engine.workers, spec.threads)
            self._workers = len(shares)
        self._nodes: Sequence[Node] = ()
        self._room, self._fitting = Room(self._threads), 0

    @property
    def record(self) -> Mapping[str, Any]:  # Any: JSON data
        """Their number, the threads of each, how many of them fit now, and the processors of the nodes."""
        return {
            "engine": "ray",
            "workers": self._workers,
            "threads": self._threads,
            "fit": self._fitting,
            "processors": sorted({node.processor for node in self._nodes}),
        }

    def check(self, workload: Workload) -> None:
        """Raise `InputError` for nodes of other versions or without the cache directory, and where no worker fits.

        A workload that cannot go to a worker is refused, too.
        """
        pack(workload)
        each = worker_bytes(workload)
        if self._is_local:
            refuse_more_than_fit(self._workers or 1, each, free_bytes())
        self._nodes = self._looked_at()
        refuse_others(self._nodes, look(None).versions, self._cache_dir)
        self._take_room(each)

    def executor(self, served: object, *, is_limited: bool = True) -> Crew:
        """Place what is served in the object store and start the workers."""
        try:
            placed = self._ray.put(pack(served))
        except self._ray.exceptions.ObjectStoreFullError as error:
            raise MachineError(
                f"Ray's object store is full ({error}); start Ray with a larger --object-store-memory"
            ) from error
        return Crew(
            lambda _: RayWorker(self._ray, placed, self._threads, self._room.options),
            slots=self._workers or 1,
            limit_s=self._limit_s if is_limited else None,
        )

    def _looked_at(self) -> list[Node]:
        """Return what every node is like, as a task on it tells."""
        alive = [node for node in self._ray.nodes() if node["Alive"]]
        self._cache_dir.mkdir(parents=True, exist_ok=True)
        token = self._cache_dir / f"seen-{uuid4().hex}"
        token.touch()
        try:
            asked = [self._ray.remote(look).options(num_cpus=0, **_on(node)).remote(token.absolute()) for node in alive]
            found: list[Node] = self._ray.get(asked, timeout=LOOK_S)
        except self._ray.exceptions.GetTimeoutError as error:
            raise InputError("address", f"the nodes of the cluster did not answer within {LOOK_S:g} s") from error
        except self._ray.exceptions.RayError as error:
            raise InputError(
                "address",
                f"a node cannot run this project ({_last_line(error)}); install the same version on all nodes, "
                "or submit the study with a runtime environment",
            ) from error
        finally:
            token.unlink()
        return found

    def _take_room(self, each: int) -> None:
        """Choose what a worker takes of a node, and count how many fit. Raises `InputError` where none does."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        gpus = share_of_gpus(nodes, self._workers) if self._on_gpus else 0.0
        self._room = Room(self._threads, gpus, 0 if self._is_local else each)
        self._fitting = sum(map(self._room.times_in, nodes))
        self._workers = self._workers or self._fitting
        if not self._fitting:
            raise InputError("workers", f"no node has room for one, which takes {self._room}: {in_short(nodes)}")


def share_of_gpus(nodes: Sequence[Mapping[str, float]], workers: int | None) -> float:
    """Return how much of a GPU each worker takes: a whole one, or so small a part that all have room on theirs."""
    gpus = sum(node.get("GPU", 0.0) for node in nodes)
    return 1.0 if not workers or workers <= gpus else 1.0 / math.ceil(workers / max(1.0, gpus))


def in_short(nodes: Sequence[Mapping[str, float]]) -> str:
    """Return what nodes have, in words."""
    each = (
        f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs, {node.get('memory', 0) / GIB:.1f} GiB"
        for node in nodes
    )
    return "; ".join(each) or "there is none"


def _on(node: Mapping[str, Any]) -> dict[str, Any]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)}


def _last_line(error: BaseException) -> str:
    return next(reversed([line for line in str(error).splitlines() if line.strip()]), type(error).__name__).strip()
