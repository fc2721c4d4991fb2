"""Pictures: what a reader needs is inside them, and what a paper prints stands at its bar."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import pytest

from optimizer.charts.chart import Chart, Panel, Series, page, whiskers
from optimizer.charts.pictures import DOTS_PER_INCH, PANEL_INCHES, write_pictures

LONG = "a study with a title that is a good deal wider than a single panel, on a data set with a long name, 3 runs"


def series(name: str, x: tuple[str | float, ...], **more: object) -> Series:
    return Series(name=name, colour="green", x=x, y=tuple(float(i + 1) for i in range(len(x))), **more)


def drawn(tmp_path: Path, kind: str, *of: Series, bottom: float | None = None) -> str:
    panel = Panel(kind=kind, y_title="J", series=of, bottom=bottom)
    svg, png = write_pictures(Chart(name="it", title=LONG, panels=(panel,)), tmp_path, "of")
    height, width = matplotlib.image.imread(png).shape[:2]
    assert width < 2 * PANEL_INCHES[0] * DOTS_PER_INCH  # the title is broken into lines
    assert height > PANEL_INCHES[1] * DOTS_PER_INCH * 0.8
    return svg.read_text(encoding="utf-8")


def test_published_values_are_named_and_bars_that_the_axis_names_are_not(tmp_path: Path) -> None:
    text = drawn(tmp_path, "bars", series("dense", ("dense",)), series("p50", ("p50",), published=(0.5,)))
    assert text.count("<!-- published value or bound -->") == 1
    assert text.count("<!-- p50 -->") == 1  # at the axis


def test_points_have_a_legend_of_their_groups_and_all_their_names(tmp_path: Path) -> None:
    points = [
        Series(name=f"name-{i}", group=("global", "layer-wise")[i % 2], colour="red", x=(i / 10,), y=(1.0,))
        for i in range(20)
    ]
    text = drawn(tmp_path, "points", *points)
    assert all(text.count(f"<!-- name-{i} -->") == 1 for i in range(20))
    assert text.count("<!-- layer-wise -->") == 1


def test_a_level_is_drawn_beside_its_line(tmp_path: Path) -> None:
    assert "<!-- p50, published -->" in drawn(tmp_path, "lines", series("p50", (1.0, 2.0), published=(0.9,)))


def test_whiskers_end_where_they_are_said_to_end() -> None:
    above, below = whiskers(series("p50", ("a", "b"), low=(0.5, 1.0), high=(3.0, 2.5)))
    assert (above, below) == ((2.0, 0.5), (0.5, 1.0))
    assert whiskers(series("p50", ("a",))) == ((), ())


@pytest.mark.parametrize("kind", ["bars", "lines"])
def test_pages_have_what_is_published(kind: str) -> None:
    x = ("a", "b") if kind == "bars" else (1.0, 2.0)
    panel = Panel(kind=kind, y_title="J", series=(series("p50", x, published=(0.9, None)[: len(x)]),), bottom=0.2)
    assert "p50, published" in page([Chart(name="it", title="it", panels=(panel,))], "it")
