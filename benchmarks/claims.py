"""What it takes a worker to be given the next job, where many wait.

    python -m benchmarks.claims --waiting 5000 --storage sqlite:////tmp/claims.sqlite

The storage must be new. Prints the seconds of each claim, processor time and wall clock.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import closing
from datetime import UTC, datetime

from sqlalchemy import insert

from studies.jobs import MAX_ATTEMPTS, JobKind, JobState
from studies.opening import open_service
from studies.sql.service import SqlService
from studies.sql.tables import JobRow


def main() -> None:
    """Fill a queue and claim from it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storage", required=True)
    parser.add_argument("--waiting", type=int, default=5000)
    parser.add_argument("--done", type=int, default=5000)
    parser.add_argument("--keys", type=int, default=20)
    parser.add_argument("--claims", type=int, default=10)
    asked = parser.parse_args()
    with closing(open_service(asked.storage)) as service:
        fill(service, asked.waiting, asked.done, asked.keys)
        print(json.dumps([claim(service) for _ in range(asked.claims)]))


def fill(service: SqlService, waiting: int, done: int, keys: int) -> None:
    """Store jobs that wait and jobs that are done, of so many keys."""
    study = service.store.create_study("of-all", {})
    now = datetime.now(UTC)
    job = {"study_id": study.id, "kind": JobKind.EXPORT, "payload": {}, "priority": 0, "attempts": 0}
    rest = {"max_attempts": MAX_ATTEMPTS, "cancel_requested": False, "created_at": now, "started_at": now}
    states = [JobState.QUEUED] * waiting + [JobState.DONE] * done
    rows = [{**job, **rest, "owner": f"key-{i % keys}", "state": state} for i, state in enumerate(states)]
    with service.database.write() as session:
        session.execute(insert(JobRow), rows)


def claim(service: SqlService) -> dict[str, float]:
    """Claim a job; return what it took."""
    began, cpu = time.perf_counter(), time.process_time()
    if service.jobs.claim("worker", lease_s=60.0, per_owner=2) is None:
        raise SystemExit("no job was given; name a new storage")
    return {"cpu_s": round(time.process_time() - cpu, 4), "wall_s": round(time.perf_counter() - began, 4)}


if __name__ == "__main__":
    main()
