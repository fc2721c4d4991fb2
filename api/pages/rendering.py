"""Rendering: templates with everything escaped, and the filters that they write figures with."""

from __future__ import annotations

from functools import cache

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from api.http.access import Caller
from api.http.guard import SECURITY
from api.pages import figures
from api.pages.wording import STATES, VERDICTS, worded


@cache
def templates() -> Environment:
    """Return the templates, loaded once."""
    made = Environment(
        loader=PackageLoader("api.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (
        figures.fixed, figures.percent, figures.scaled, figures.between, figures.ratio, figures.when,
        figures.duration, figures.measured, figures.measured_interval, figures.conditions, worded,
        figures.placed, figures.beside, figures.changed,
    ):  # fmt: skip
        made.filters[function.__name__] = function
    made.globals.update(states=STATES, verdicts=VERDICTS)
    return made


PLOTS = {"Content-Security-Policy": f"{SECURITY['Content-Security-Policy']}; img-src 'self' data:"}  # plotly tries some


def page(
    template: str, *, caller: Caller | None, status: int = 200, has_plots: bool = False, **values: object
) -> HTMLResponse:
    """Return a page. `caller` is None where nobody is known."""
    is_keyed = caller is not None and caller.key is not None
    html = templates().get_template(template).render(is_keyed=is_keyed, **values)
    headers = {"Cache-Control": "private, no-cache"} | (PLOTS if has_plots else {})
    return HTMLResponse(html, status_code=status, headers=headers)
