"""The true state of a study: a killed process leaves its study RUNNING."""

from __future__ import annotations

from dataclasses import replace

from studies.ownership import Owner, what_keeps
from studies.records import Study, StudyState
from studies.rules import utc_now


def why_busy(study: Study) -> str | None:
    """Say which other live process runs the study; None where none does."""
    if study.state is not StudyState.RUNNING or study.process is None:
        return None
    return what_keeps(study.process, from_=Owner.of_this_process(), quiet_for=utc_now() - study.updated_at)


def as_it_stands(study: Study) -> Study:
    """Return the study, INTERRUPTED with a reason as its error where the process that ran it is gone."""
    process, here = study.process, Owner.of_this_process()
    if study.state is not StudyState.RUNNING or process is None or process.is_process(here) or why_busy(study):
        return study
    where = "" if process.host == here.host else f" on {process.host!r}"
    reason = f"process {process.pid}{where} stopped without a word: it was killed, or the machine went down"
    return replace(study, state=StudyState.INTERRUPTED, error=reason)
