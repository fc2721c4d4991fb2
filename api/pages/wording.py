"""Wording: what the states and verdicts mean, and how a page shows a parameter that a text names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from markupsafe import Markup, escape

from studies.records import StudyState, Verdict

STATES: Mapping[StudyState, str] = {
    StudyState.QUEUED: "waits for a worker",
    StudyState.RUNNING: "a worker runs it",
    StudyState.INTERRUPTED: "stopped; it can be resumed",
    StudyState.COMPLETE: "searched and verified",
    StudyState.FAILED: "ended with an error",
    StudyState.CANCELLED: "cancelled on request; it can be resumed",
}
VERDICTS: Mapping[Verdict, str] = {
    Verdict.CERTIFIED: "the drop is within ε with 95 % confidence, for all certified members together",
    Verdict.VERIFIED: "the drop observed on the verification examples is at most ε",
    Verdict.REFUTED: "the drop observed on the verification examples is above ε",
    Verdict.MEASURED: "the study has limits and no ε; the interval of the drop holds for all verified members together",
    Verdict.UNVERIFIED: "not on the shortlist, so not evaluated on the verification examples",
}


def worded(text: str) -> Markup:
    """Return an engine's text for a page: what it names in backticks is set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
