"""The report: a study as one self-contained HTML file.

`page.html` is the frame, `page.css` the style, `page.js` draws; plotly's whole script is embedded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from optimizer.errors import MachineError
from optimizer.member import Member, RunResult
from search_spaces.files import written_whole


def write_report(result: RunResult, members: Sequence[Member], path: Path) -> None:
    """Write the report of a study, completely or not at all. `members` are all evaluated candidates.

    Raises `MachineError` if the file cannot be written.
    """
    html = report_html(result, members)
    try:
        with written_whole(path) as temporary:
            temporary.write_text(html, encoding="utf-8")
    except OSError as error:
        raise MachineError(f"cannot write {path}: {error.strerror}; give another file as `output`") from error


def report_html(result: RunResult, members: Sequence[Member]) -> str:
    """Return the report as one HTML text."""
    from plotly.offline import get_plotlyjs  # four megabytes of script, read only when a report is written

    here = files("optimizer.report")
    data = {"result": result.model_dump(mode="json"), "members": [m.model_dump(mode="json") for m in members]}
    return Template(here.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"{result.study}: {result.model} on {result.task}"),
        headline=escape(headline(result)),
        css=here.joinpath("page.css").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
        script=here.joinpath("page.js").read_text(encoding="utf-8"),
        data=_for_script(data),
    )


def headline(result: RunResult) -> str:
    """Return the result in one sentence."""
    held = [m for m in result.front if m.verification is not None and m.verification.drop <= result.epsilon]
    if not result.front:
        return f"Nothing is feasible: no candidate has a drop within {result.epsilon:g}."
    if not held:
        return f"No member of the front has a drop within {result.epsilon:g} on the verification examples."
    best = min(held, key=lambda member: member.parameters if member.recipe else member.flops_ratio)
    checked = best.verification
    if checked is None:
        raise ValueError("a member whose drop held was verified")
    return (
        f"{_saving(best, result)}; "
        f"its {result.metric} dropped by {checked.drop:.4f} "
        f"[{checked.interval[0]:.4f}, {checked.interval[1]:.4f}] "
        f"on {checked.n} verification examples "
        f"({checked.verdict.value}, one of a shortlist of {result.shortlist_size})."
    )


def _saving(best: Member, result: RunResult) -> str:
    """Return what a member needs; for masked weights, which kernels may ignore, also whether it is faster."""
    if best.recipe is None or result.baseline is None:
        return f"Candidate #{best.candidate} needs {best.flops_ratio:.0%} of the dense model's FLOPs"
    gains = [f"×{each.ratio:.2f} ({each.kernels})" if each.gain else "no gain" for each in best.latency]
    timed = ", ".join(f"{gain} at batch {each.batch}" for gain, each in zip(gains, best.latency, strict=True))
    return (
        f"Candidate #{best.candidate} keeps {best.parameters / result.baseline.parameters:.0%} of the dense model's "
        f"parameters ({best.recipe.words}) and needs {best.flops_ratio:.0%} of its FLOPs; latency: {timed}"
    )


def _for_script(data: object) -> str:
    """Return JSON that cannot end its script element, even if its names contain markup."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
