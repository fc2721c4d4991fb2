"""Nothing is cut off, at any usual width, and without JavaScript the pages still say what they know."""

from __future__ import annotations

from collections.abc import Callable

from served import Place

WIDTHS = (1440, 1280, 1024, 768, 390)
CUT = """name => [...document.querySelectorAll(name)].filter(e => {
    const box = e.getBoundingClientRect();
    for (let up = e.parentElement; up; up = up.parentElement)
        if (box.right > up.getBoundingClientRect().right + 1) return true;
    return false;
}).map(e => e.textContent)"""
# Found and measured in one step: what is drawn again in between is another element.
HEIGHTS = "name => [...document.querySelectorAll(name)].map(e => e.getBoundingClientRect().height)"
SCROLLING = """name => { for (let up = document.querySelector(name); up && up !== document.body; up = up.parentElement)
    if (['auto', 'scroll'].includes(getComputedStyle(up).overflowY) && up.scrollHeight > up.clientHeight + 1)
        return up.outerHTML;
    return null; }"""


def test_the_chosen_candidates_figures_are_whole_at_every_width(finished: Place, open_page: Callable) -> None:
    page = open_page(f"{finished.url}/studies/first")
    page.locator("#front tbody a").first.click()
    page.locator("#candidate").wait_for()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate(CUT, ".figures td, .layers td") == [], width
        assert page.evaluate(SCROLLING, ".figures") is None, "a card has no scroll bar of its own"


def test_lines_and_front_are_read_on_a_phone_without_scrolling_aside(finished: Place, open_page: Callable) -> None:
    page = open_page(f"{finished.url}/studies/first", viewport={"width": 390, "height": 844}, is_mobile=True)
    page.locator("#parallel .member").first.wait_for(state="attached")
    for name in ("parallel", "front"):
        assert page.evaluate(CUT, f"#{name} text, #{name} td") == [], name
    assert min(page.evaluate(HEIGHTS, "#parallel text")) > 10


def test_two_candidates_are_compared_on_a_phone_without_scrolling_aside(finished: Place, open_page: Callable) -> None:
    url = f"{finished.url}/studies/first/compare?candidate=1&candidate=2"
    page = open_page(url, viewport={"width": 390, "height": 844}, is_mobile=True)
    assert page.evaluate(CUT, "td") == []


def test_epsilon_is_what_a_person_would_write(finished: Place, open_page: Callable) -> None:
    page = open_page(f"{finished.url}/studies/first")
    page.locator("#front tbody tr").first.wait_for()
    slider, number = page.locator("#epsilon"), page.locator("#epsilon-number")
    for _ in range(12):
        slider.press("ArrowRight")
        assert len(number.input_value()) <= 5
        assert slider.get_attribute("aria-valuetext") == number.input_value()


def test_without_javascript_a_study_is_a_report_at_any_epsilon(finished: Place, open_page: Callable) -> None:
    page = open_page(f"{finished.url}/studies/first", java_script_enabled=False)
    assert "JavaScript is off" in page.locator("main").inner_text()
    assert not page.locator(".live:visible").count()
    assert page.locator(".picture circle").count() == 12
    page.locator("#epsilon-asked").fill("0.01")
    page.get_by_role("button", name="Show the front at this ε").click()
    assert "ε = 0.01" in page.locator("#counts").inner_text()
    page.goto(f"{finished.url}/new")
    assert "optimize --model" in page.locator("main").inner_text()
