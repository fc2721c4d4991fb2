"""What a second worker is worth: candidates per minute of two single-thread workers over one, and what a worker costs.

    python -m benchmarks.workers --model DIR --task sst2 --data DIR --trials 24 --engine processes

The same configs are evaluated by one worker, by two, by one and by two again, each time by new workers; starting them
is told apart. The overhead per candidate is what one worker takes beyond the evaluations themselves. Processor time
per candidate says how much of a small gain other programs on the machine are to blame for: while they take their
share of the cores, `by_processor_time` is what two cores of one's own would give. With `--sleep 0.5` evaluations only
wait for so many seconds, which needs no core: the gain is then what the engine alone leaves of two workers.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import Future, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.outcomes import Simulated
from benchmarks.simulated import space
from benchmarks.workload import add_workload_options, spec_of
from optimizer.engine import Engine, EngineName
from optimizer.executors.executor import Evaluate, Evaluating, Executor
from optimizer.executors.workplace import workplace
from optimizer.families.encoders.load import load_workload
from optimizer.preparation.prepare import prepare
from optimizer.progress import Stages, ignore
from optimizer.search.ladder import ladder
from optimizer.spec import StudySpec
from search_spaces.config import Config
from studies.records import Outcome, Proposal

GAIN, OVERHEAD_S = 1.8, 0.03  # at least, at most
ENGINES: tuple[EngineName, ...] = ("processes", "ray")


@dataclass(frozen=True)
class Answered:
    """An outcome, with the process that found it and the seconds that it took there."""

    outcome: Outcome
    pid: int
    wall_s: float
    processor_s: float


@dataclass(frozen=True)
class Clocked:
    """An `Evaluate` whose answer says what it took."""

    config: Config

    def put_to(self, evaluator: Evaluating, /) -> Answered:
        """Return the outcome with its seconds."""
        wall, processor = time.perf_counter(), time.process_time()
        outcome = Evaluate(self.config).put_to(evaluator)
        return Answered(outcome, os.getpid(), time.perf_counter() - wall, time.process_time() - processor)


@dataclass(frozen=True)
class Block:
    """All configs evaluated once, by so many workers."""

    workers: int
    start_s: float
    per_minute: float
    overhead_ms: float
    processor_s: float  # per candidate
    load: float  # processes that wanted a core in the last minute, ours among them


def main() -> None:
    """Print one JSON object; exit with 1 where two workers are worth too little or one costs too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--engine", choices=ENGINES, default="processes")
    parser.add_argument("--address", help="a Ray cluster's; one is started here without it")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--sleep", type=float, help="seconds of evaluations that only wait")
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        spec, place = spec_of(options, threads=1), Path(scratch)
        work = real(spec, place) if options.sleep is None else simulated(options.sleep, spec.trials)
        found = run(work, spec, place, options.engine, options.address, options.rounds)
    print(json.dumps(found, indent=1))
    raise SystemExit(found["gain"] < GAIN or found["overhead_ms"] > 1000 * OVERHEAD_S)


@dataclass(frozen=True)
class Work:
    """What is evaluated, by what; `first` is what a worker answers before it counts as started."""

    evaluator: Evaluating
    configs: Sequence[Config]
    first: Config


def real(spec: StudySpec, cache_dir: Path) -> Work:
    """Return the seeds of a study, and its evaluator."""
    workload = load_workload(spec, cache_dir=cache_dir, progress=lambda *_: None)
    prepared = prepare(spec, workload, cache_dir=cache_dir, stages=Stages(ignore, lambda _seconds: None))
    return Work(prepared.evaluator, _different(prepared.ladder(3 * spec.trials), spec.trials), prepared.space.dense)


def simulated(seconds: float, trials: int) -> Work:
    """Return the seeds of a simulated study, and an evaluator that only waits."""
    of = space()
    return Work(Simulated(seconds), _different(ladder(of, 3 * trials), trials), of.dense)


def _different(proposals: Sequence[Proposal], most: int) -> list[Config]:
    return list(dict.fromkeys(proposal.config for proposal in proposals))[:most]


def run(
    work: Work, spec: StudySpec, cache_dir: Path, name: EngineName, address: str | None, rounds: int
) -> dict[str, Any]:
    """Return the blocks, and what they say in the median."""
    blocks = [
        block(Engine(name=name, workers=workers, address=address), spec, work, cache_dir)
        for _ in range(rounds)
        for workers in (1, 2)
    ]
    one, two = ([each for each in blocks if each.workers == count] for count in (1, 2))
    return {
        "engine": name,
        "candidates": len(work.configs),
        "blocks": [asdict(each) for each in blocks],
        "gain": round(median(each.per_minute for each in two) / median(each.per_minute for each in one), 2),
        "by_processor_time": round(2 * mean(b.processor_s for b in one) / mean(b.processor_s for b in two), 2),
        "overhead_ms": median(each.overhead_ms for each in one),
    }


def block(engine: Engine, spec: StudySpec, work: Work, cache_dir: Path) -> Block:
    """Evaluate all configs by new workers."""
    started, configs = time.perf_counter(), work.configs
    with workplace(engine, spec, cache_dir) as place, place.executor(work.evaluator) as executor:
        _wait_for_all(executor, work.first)
        start_s = time.perf_counter() - started
        began = time.perf_counter()
        answers = _all(executor, configs)
        took = time.perf_counter() - began
    return Block(
        workers=executor.slots,
        start_s=round(start_s, 1),
        per_minute=round(60 * len(configs) / took, 1),
        overhead_ms=round(1000 * (executor.slots * took - sum(a.wall_s for a in answers)) / len(configs), 1),
        processor_s=round(mean(a.processor_s for a in answers), 6),
        load=round(os.getloadavg()[0], 1),
    )


def _wait_for_all(executor: Executor[Evaluating], config: Config) -> None:
    """Wait until every worker has answered: a first answer brings what is computed once, such as prefixes."""
    seen = set[int]()
    while len(seen) < executor.slots:
        seen |= {a.pid for a in _all(executor, [config] * executor.slots)}


def _all(executor: Executor[Evaluating], configs: Sequence[Config]) -> list[Answered]:
    """Return the answers for all configs; no worker waits while one is left, and none is asked for two."""
    waiting, asked, answers = list(configs), set[Future[Answered]](), list[Answered]()
    while waiting or asked:
        while waiting and len(asked) < executor.slots:
            asked.add(executor.submit(Clocked(waiting.pop(0))))
        landed = next(as_completed(asked))
        asked.remove(landed)
        answers.append(landed.result())
    return answers


if __name__ == "__main__":
    main()
