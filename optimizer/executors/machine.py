"""A machine: worker processes beside the driver, which read the prepared study from one mapped file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from optimizer.engine import Engine
from optimizer.executors.capacity import cores_here, free_bytes, refuse_more_than_fit, shares_of, worker_bytes
from optimizer.executors.crew import Crew
from optimizer.executors.parcel import pack, write_parcel
from optimizer.executors.processes import Place, ProcessWorker
from optimizer.spec import StudySpec
from optimizer.workload import Workload
from studies.ownership import Owner

FOLDER, SUFFIX = "parcels", ".parcel"


class Machine:
    """`Workplace` of processes on this machine, each on cores of its own."""

    def __init__(self, engine: Engine, spec: StudySpec, cache_dir: Path) -> None:
        """Raise `InputError` for more workers than there are cores."""
        self._limit_s, self._folder = engine.candidate_timeout, cache_dir / FOLDER
        self._threads, shares = shares_of(cores_here(), engine.workers, spec.threads)
        gpus = visible_gpus() if spec.device.startswith("cuda") else []
        self._places = [
            Place(threads=self._threads, cores=cores, gpu=gpus[number % len(gpus)] if gpus else None)
            for number, cores in enumerate(shares)
        ]

    @property
    def record(self) -> Mapping[str, Any]:  # Any: JSON data
        """Their number, and the threads of each."""
        return {"engine": "processes", "workers": len(self._places), "threads": self._threads}

    def check(self, workload: Workload) -> None:
        """Raise `InputError` for more workers than there is memory for, and for a workload that cannot go to them."""
        pack(workload)
        refuse_more_than_fit(len(self._places), worker_bytes(workload), free_bytes())

    def executor(self, served: object, *, is_limited: bool = True) -> Crew:
        """Start the workers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        remove_left(self._folder)
        file = self._folder / name_of(Owner.of_this_process(), id(self))
        write_parcel(pack(served), file)
        return Crew(
            lambda place: ProcessWorker(file, self._places[place]),
            slots=len(self._places),
            limit_s=self._limit_s if is_limited else None,
            on_close=lambda: file.unlink(missing_ok=True),
        )


def name_of(owner: Owner, number: int) -> str:
    """Return the name of a process's file, which says whose it is."""
    return f"{owner.host}~{owner.pid}~{owner.started}~{number:x}{SUFFIX}"


def remove_left(folder: Path) -> None:
    """Remove the files of processes of this host that were killed."""
    here = Owner.of_this_process().host
    for file in folder.glob(f"*{SUFFIX}"):
        host, pid, started, _ = file.name.split("~")
        if host == here and not Owner(host=host, pid=int(pid), started=float(started)).is_running():
            file.unlink(missing_ok=True)


def visible_gpus() -> Sequence[str]:
    """Return the GPUs that this process sees, as `CUDA_VISIBLE_DEVICES` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (
        [*map(str, range(torch.cuda.device_count()))] if named is None else [each for each in named.split(",") if each]
    )
