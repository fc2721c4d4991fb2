"""What serving fronts costs a study that runs on the same machine.

    python -m benchmarks.beside [--model M --task T --data D --epsilon E --trials N] [--rate 20] [--rounds 3] [--json]

A worker runs the same search over and over, in turn left alone and with so many front queries a second. Every run
evaluates the same candidates, so each is compared with itself: the median of its times, from the candidate before it to
its own end, over the rounds. What else the machine does for a while then falls on few of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from benchmarks.command import OPTIMIZE
from benchmarks.service import free_port, running, serve_command
from benchmarks.workload import add_workload_options, spec_of
from studies.events import CANDIDATE, STAGE, StudyEvent
from studies.opening import open_service

AFTER_SEARCH = {"verify", "measure"}
MANY = 100_000  # events, more than any study has


def main() -> None:
    """Print by what share the search is slower with queries, and the times it comes from."""
    options = _parser().parse_args()
    with TemporaryDirectory() as place:
        root, port = Path(place), free_port()
        storage = f"sqlite:///{root}/service.sqlite"
        _candidate_seconds(options, root, storage, "first")  # fills the bank
        alone, beside, answered = [], [], 0
        with running(serve_command(storage, root, port), f"http://127.0.0.1:{port}", "/healthz") as address:
            for number in range(options.rounds):
                alone.append(_candidate_seconds(options, root, storage, f"alone-{number}"))
                with _asking(f"{address}/v1/studies/beside-{number}/front", options.rate) as answers:
                    beside.append(_candidate_seconds(options, root, storage, f"beside-{number}"))
                answered += len(answers)
    seconds = [sum(map(median, zip(*rounds, strict=True))) for rounds in (alone, beside)]
    found = {
        "slower by": seconds[1] / seconds[0] - 1,
        "seconds alone": seconds[0],
        "seconds beside": seconds[1],
        "whole rounds": [sum(b) / sum(a) - 1 for a, b in zip(alone, beside, strict=True)],
        "fronts answered": answered,
    }
    print(json.dumps(found) if options.json else "\n".join(f"{name:<16} {value}" for name, value in found.items()))


def _candidate_seconds(options: argparse.Namespace, root: Path, storage: str, slug: str) -> list[float]:
    """Run a study in a worker of its own; return the seconds that each candidate but the first took."""
    service = open_service(storage)
    study = service.submit(slug, spec_of(options, seed=0).model_dump(mode="json"))
    worker = [sys.executable, "-c", OPTIMIZE, "worker", "--until-idle", "--storage", storage]
    with subprocess.Popen([*worker, "--cache-dir", str(root / "cache")], stderr=subprocess.DEVNULL) as running_worker:
        while not _is_searched(events := service.events.after(0, limit=MANY, study_id=study.id)):
            if running_worker.poll() is not None:
                raise RuntimeError(f"the worker of {slug!r} ended before its search did")
            time.sleep(1.0)
        service.jobs.request_cancel(study.id)  # what follows the search is the same for all
    service.close()
    ends = [event.created_at for event in events if event.kind == CANDIDATE]
    return [(end - before).total_seconds() for before, end in pairwise(ends)]


def _is_searched(events: Sequence[StudyEvent]) -> bool:
    """Whether the run has come to its verification."""
    return any(event.kind == STAGE and event.data["stage"] in AFTER_SEARCH for event in events)


@contextmanager
def _asking(url: str, rate: float) -> Iterator[list[float]]:
    """Ask a URL so many times a second while the block runs; gives the times of the answers."""
    over, answers = threading.Event(), list[float]()

    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc)  # kept open, so that asking costs next to nothing beside the study

    def ask() -> None:
        due = time.monotonic()
        while not over.is_set():
            due += 1 / rate
            connection.request("GET", parts.path)
            answer = connection.getresponse()
            answer.read()
            if answer.status == HTTPStatus.OK:
                answers.append(time.monotonic())
            elif answer.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):  # not there, or no baseline yet
                raise RuntimeError(f"{url} answered {answer.status}")
            over.wait(max(0.0, due - time.monotonic()))
        connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--rate", type=float, default=20.0, help="front queries a second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    main()
