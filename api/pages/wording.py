"""Wording: what the states and verdicts mean, in the words that pages explain them with."""

from __future__ import annotations

from collections.abc import Mapping

from studies.records import StudyState, Verdict

STATES: Mapping[StudyState, str] = {
    StudyState.QUEUED: "waits for a worker",
    StudyState.RUNNING: "a worker has it",
    StudyState.INTERRUPTED: "stopped; it can go on where it was",
    StudyState.COMPLETE: "searched and verified",
    StudyState.FAILED: "ended with an error",
    StudyState.CANCELLED: "given up on request; it can go on where it was",
}
VERDICTS: Mapping[Verdict, str] = {
    Verdict.CERTIFIED: "the 95 % upper bound of the drop, corrected over the shortlist, is within ε",
    Verdict.VERIFIED: "the drop observed on the verification examples is within ε",
    Verdict.REFUTED: "the drop observed on the verification examples is above ε",
    Verdict.UNVERIFIED: "never tried on the verification examples",
}
