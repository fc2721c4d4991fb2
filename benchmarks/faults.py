"""Whether any fault loses or doubles a candidate: real worker processes, a real driver and a real database.

    python -m benchmarks.faults --faults 1000

Simulated studies of short evaluations, some at the same time because each mostly waits, for workers that start or hang.
Each has a driver of its own with two workers. Evaluations kill their worker, always with some configs, run out of
memory and hang; from outside, workers are killed or stopped and drivers are killed, at random moments after a candidate
or some have finished: so every study ends, however slow the machine. A driver that was killed, or gave up because no
worker started three times in a row, is started again, which resumes the study. At the end every study is to have each
of its candidates once, with its own outcome or with the reason why it failed.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.outcomes import Hazardous
from benchmarks.simulated import problems, proposer
from optimizer.errors import MachineError
from optimizer.executors.crew import Crew
from optimizer.executors.parcel import pack, write_parcel
from optimizer.executors.processes import Place, ProcessWorker
from optimizer.loop.loop import Budget, Search
from studies.opening import open_store
from studies.records import Candidate, CandidateState

TRIALS, WORKERS, SECONDS, LIMIT_S = 60, 2, 0.02, 1.0
OUTSIDE = {"worker killed": 6, "worker stopped": 1, "driver killed": 1}  # how often, to each other
GAVE_UP = 75  # exit code of a driver whose workers were killed at three starts in a row
LONGEST_STUDY_S = 7200.0  # on a machine that hardly gets to it
MOST_BETWEEN = 4  # candidates that finish between two blows from outside
LOOK_S = 0.02
FINISHED, ENDED, HAPPENED = "finished", "ended", "happened"  # files of a study's folder


def main() -> None:
    """Print one JSON object; exit with 1 where a candidate is lost, doubled, or has another's outcome."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--calm", type=float, default=0.5, help="at most so many seconds until a blow from outside, once it is due"
    )
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)  # a study's folder: what a driver is started with
    parser.add_argument("--together", type=int, default=3, help="studies that run at the same time")
    options = parser.parse_args()
    if options.drive is not None:
        try:
            return drive(options.drive, options.seed)
        except MachineError as error:
            print(error, file=sys.stderr)
            raise SystemExit(GAVE_UP) from None
    found = run(options.faults, options.seed, options.calm, together=options.together)
    print(json.dumps(found, indent=1))
    raise SystemExit(bool(found["problems"]))


def run(faults: int, seed: int, calm_s: float, *, together: int) -> dict[str, Any]:
    """Run studies until so many things have happened; return what happened and what is wrong."""
    happened, states, wrong, studies = Counter[str](), Counter[str](), list[str](), 0
    seeds, started = count(seed), time.monotonic()
    with ThreadPoolExecutor(together) as pool:
        running = {pool.submit(disturbed, next(seeds), calm_s) for _ in range(together)}
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for study in (future.result() for future in ended):
                happened += study.happened
                states += study.states
                wrong += study.wrong
                studies += 1
            if happened.total() < faults:
                running |= {pool.submit(disturbed, next(seeds), calm_s) for _ in ended}
            print(f"{studies} studies, {happened.total()} faults, {len(wrong)} problems", *wrong[-3:], file=sys.stderr)
    return {
        "faults": happened.total(),
        "of": dict(happened),
        "studies": studies,
        "candidates": dict(states),
        "lost": studies * TRIALS - sum(states.values()) + states[CandidateState.RUNNING.value],
        "doubled": sum("twice" in each for each in wrong),
        "problems": wrong,
        "seconds": round(time.monotonic() - started),
    }


@dataclass(frozen=True)
class Disturbed:
    """A study that has ended: what happened to it, what became of its candidates, and what is wrong with them."""

    happened: Counter[str]
    states: Counter[str]
    wrong: list[str]


def disturbed(seed: int, calm_s: float) -> Disturbed:
    """Run one study to its end, whatever happens."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        happened = driven(folder, seed, calm_s)
        found, ended = candidates_of(folder), written(folder, ENDED)
        wrong = [f"study of seed {seed}: {each} {ended}" for each in problems(found, TRIALS)]
        return Disturbed(happened, Counter(candidate.state.value for candidate in found), wrong)


def driven(folder: Path, seed: int, calm_s: float) -> Counter[str]:
    """Start drivers of a folder's study and strike them until one has finished it; return how often what happened."""
    chance, happened, deadline, due = random.Random(seed), Counter[str](), time.monotonic() + LONGEST_STUDY_S, 0
    stopped = list[psutil.Process]()
    while True:
        driver = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.faults", "--drive", str(folder), "--seed", str(seed)]
        )
        while driver.poll() is None:
            if time.monotonic() > deadline:
                driver.kill()
                raise TimeoutError(f"a study of {TRIALS} short evaluations took longer than {LONGEST_STUDY_S:g} s")
            is_due = len(written(folder, FINISHED)) >= due
            with suppress(subprocess.TimeoutExpired):
                driver.wait(chance.uniform(0, calm_s) if is_due else LOOK_S)
                break
            if is_due and (struck := _strike(driver, chance, stopped)):
                happened.update(struck)
                due = len(written(folder, FINISHED)) + chance.randint(1, MOST_BETWEEN)
        if driver.returncode == 0:
            break
        if driver.returncode == GAVE_UP:
            happened["run ended: no worker started"] += 1
        elif driver.returncode != -signal.SIGKILL:
            raise RuntimeError(f"a driver ended with {driver.returncode}")
    for worker in stopped:  # one that was stopped before it knew of its driver does not end with it
        with suppress(psutil.NoSuchProcess):
            worker.kill()
    return happened + Counter(line.split()[0] for line in written(folder, HAPPENED).splitlines())


def written(folder: Path, name: str) -> str:
    """Return what a driver or its workers have written to a file of a study's folder."""
    file = folder / name
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _strike(driver: subprocess.Popen[bytes], chance: random.Random, stopped: list[psutil.Process]) -> list[str]:
    """Do something to a driver or to one of its workers; return what, nothing where nobody was there."""
    (what,) = chance.choices([*OUTSIDE], [*OUTSIDE.values()])
    with suppress(psutil.NoSuchProcess):
        workers = [
            child for child in psutil.Process(driver.pid).children() if "popen_loky_posix" in " ".join(child.cmdline())
        ]
        if not workers:
            return []
        if what == "driver killed":
            driver.kill()
        elif what == "worker killed":
            chance.choice(workers).kill()
        else:
            stopped.append(chance.choice(workers))
            stopped[-1].suspend()
        return [what]
    return []


def drive(folder: Path, seed: int) -> None:
    """Run the study of a folder to its end, from where an earlier driver left it."""
    parcel = folder / "evaluator.parcel"
    write_parcel(pack(Hazardous(SECONDS, log=folder / HAPPENED)), parcel)
    with closing(open_store(_url(folder))) as store, (folder / FINISHED).open("a", buffering=1) as finished:
        study = store.study("s") if store.studies() else store.create_study("s", {})
        with Crew(lambda _: ProcessWorker(parcel, Place(threads=1)), slots=WORKERS, limit_s=LIMIT_S) as crew:
            found = Search(
                study_id=study.id,
                store=store,
                proposer=proposer(TRIALS, seed=seed),
                executor=crew,
                budget=Budget(trials=TRIALS),
                on_finished=lambda _: print(file=finished),
            ).run()
    (folder / ENDED).write_text(found.ended or "", encoding="utf-8")


def candidates_of(folder: Path) -> Sequence[Candidate]:
    """Return the candidates of a folder's study."""
    with closing(open_store(_url(folder))) as store:
        return store.candidates(store.study("s").id)


def _url(folder: Path) -> str:
    return f"sqlite:///{folder}/studies.sqlite"


if __name__ == "__main__":
    main()
