"""What a run tells those who follow it from elsewhere: its stage, how long it took, how long it will."""

from __future__ import annotations

from pathlib import Path

from api.runner.reporter import Reporter
from optimizer.progress import TITLES, Event
from studies.opening import open_service


def test_a_stage_is_told_with_its_title_its_time_and_the_time_left_at_its_pace(tmp_path: Path) -> None:
    service, now = open_service(f"sqlite:///{tmp_path}/s.sqlite"), [100.0]
    study = service.submit("first", {})
    tell = Reporter(service.events, study.id, clock=lambda: now[0])
    tell(Event(stage="search"))
    for seconds, done in ((10.0, 30), (20.0, 35), (0.5, 36), (9.5, 40)):  # resumed with 30 of 50
        now[0] += seconds
        tell(Event(stage="search", done=done, total=50))
    tell(Event(stage="power", text="so many examples can certify so much"))
    told = [event.data for event in reversed(service.events.recent(study.id, limit=9, kind="stage"))]
    service.close()
    assert [(t["title"], t["done"], t["elapsed_s"], t["left_s"]) for t in told] == [
        (TITLES["search"], 0, 0.0, None),
        (TITLES["search"], 30, 10.0, None),
        (TITLES["search"], 35, 30.0, 60.0),  # 5 in 20 s
        (TITLES["search"], 40, 40.0, 30.0),  # 10 in 30 s
        (None, 0, 0.0, None),
    ]
