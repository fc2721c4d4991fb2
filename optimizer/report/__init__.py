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
from optimizer.fronts.headline import headline
from optimizer.views.member import BESIDE, Member, RunResult
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
    of_members = [member.in_a_list.model_dump(mode="json") for member in members]
    data = {"result": result.model_dump(mode="json"), "members": of_members, "beside": BESIDE}
    return Template(here.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"{result.study}: {result.model} on {result.task}"),
        headline=escape(headline(result)),
        css=here.joinpath("page.css").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
        script=here.joinpath("page.js").read_text(encoding="utf-8"),
        data=_for_script(data),
    )


def _for_script(data: object) -> str:
    """Return JSON that cannot end its script element, even if its names contain markup."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
