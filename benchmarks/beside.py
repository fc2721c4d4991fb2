"""What serving fronts costs a study that runs on the same machine.

    python -m benchmarks.beside [--model M --task T --data D --epsilon E --trials N] [--rate 20] [--rounds 3] [--json]

A worker runs the same study over and over, in turn left alone and with so many front queries a second; what is
compared is the time of its search. Rounds alternate, so that what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from benchmarks.command import OPTIMIZE
from benchmarks.service import free_port, running, serve_command
from benchmarks.workload import add_workload_options, spec_of
from studies.opening import open_service
from studies.records import StudyState


def main() -> None:
    """Print the ratio of the search's time with queries to that without, of every pair of rounds."""
    options = _parser().parse_args()
    with TemporaryDirectory() as place:
        root, port = Path(place), free_port()
        storage = f"sqlite:///{root}/service.sqlite"
        _search_seconds(options, root, storage, "first")  # fills the bank
        ratios, answered = [], 0
        with running(serve_command(storage, root, port), f"http://127.0.0.1:{port}", "/healthz") as address:
            for number in range(options.rounds):
                alone = _search_seconds(options, root, storage, f"alone-{number}")
                with _asking(f"{address}/v1/studies/beside-{number}/front", options.rate) as answers:
                    beside = _search_seconds(options, root, storage, f"beside-{number}")
                answered += len(answers)
                ratios.append(beside / alone)
    found = {"slower by": median(ratios), "ratios": ratios, "fronts answered": answered}
    print(json.dumps(found) if options.json else "\n".join(f"{name:<16} {value}" for name, value in found.items()))


def _search_seconds(options: argparse.Namespace, root: Path, storage: str, slug: str) -> float:
    """Run a study in a worker of its own; return the seconds from its bank to its shortlist."""
    service = open_service(storage)
    study = service.submit(slug, spec_of(options, seed=0).model_dump(mode="json"))
    worker = [sys.executable, "-c", OPTIMIZE, "worker", "--until-idle", "--storage", storage]
    subprocess.run([*worker, "--cache-dir", str(root / "cache")], check=True, stderr=subprocess.DEVNULL)
    done = service.store.study(str(study.id))
    service.close()
    if done.state is not StudyState.COMPLETE:
        raise RuntimeError(f"study {slug!r} ended {done.state}: {done.error}")
    return sum(done.seconds[stage] for stage in ("search", "screen", "evaluate", "stitch") if stage in done.seconds)


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
