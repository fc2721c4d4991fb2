"""Spent: what stages and trainings have spent, as it is stored and as it is shown. Joules alone are stored."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from objectives.energy.spent import Spent
from optimizer.training.history import read_spent
from optimizer.views.accounts import Accounted, PartView, SpentView
from studies.records import Study

SPENT = "spent"  # in a study's context: stage -> what it spent


def with_spent(study: Study, stage: str, spent: Spent) -> dict[str, Any]:  # Any: JSON data
    """Return the context in which a stage has spent so much more."""
    known = dict(study.context.get(SPENT, {}))
    known[stage] = asdict(read_spent(known[stage]).plus(spent) if stage in known else spent)
    return {SPENT: known}


def spent_views(study: Study) -> tuple[SpentView, ...]:
    """Return what the stages of a study have spent, none of one that an older version ran."""
    return tuple(
        SpentView(stage=stage, **dict(accounted(read_spent(each))))
        for stage, each in study.context.get(SPENT, {}).items()
    )


def accounted(spent: Spent) -> Accounted:
    """Return what was spent as it is shown."""
    return Accounted(
        seconds=spent.seconds,
        own_cpu_share=spent.share,
        resident_bytes=spent.resident_bytes,
        peak_cuda_bytes=spent.peak_cuda_bytes,
        parts=tuple(
            PartView(part=name, joules=each.joules, own_joules=spent.own_of(name), source=each.source)
            for name, each in spent.parts.items()
        ),
    )
