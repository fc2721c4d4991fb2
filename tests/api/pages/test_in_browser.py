"""The pages in a real browser, as people use them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from importlib.resources import files

from served import Place

from api.runner.reporter import Reporter
from optimizer.progress import Event
from studies.keys import Scope
from studies.opening import open_service

VENDOR = files("api.pages").joinpath("static/vendor")
TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def test_a_study_is_made_in_the_form_watched_to_its_end_and_its_front_looked_at(
    place: Place, open_page: Callable
) -> None:
    page = open_page(f"{place.url}/")
    page.get_by_role("link", name="New study").first.click()
    fields = place.spec().model_dump(mode="json")
    page.locator("#model").fill(str(fields["model"]))
    page.locator("#task").fill("colours")
    page.locator("#epsilon").fill("0.3")
    page.locator("#name").fill("made-here")
    page.locator("#trials").fill("6")
    for name, value in {
        "data": fields["data"],
        "batch_sizes": "1",
        "measure_seconds": "0.02",
        "calibration_examples": "32",
    }.items():
        control = page.locator(f"#{name}")
        for closed in page.locator(f"details:has(#{name}):not([open]) > summary").all():
            closed.click()
        control.fill(str(value))
    page.get_by_role("button", name="Start the study").click()
    page.wait_for_url("**/studies/made-here")
    assert "queued" in page.locator("h1").inner_text()
    with place.working():
        page.locator("#summary[data-state=complete]").wait_for(timeout=200_000)
    page.locator("#front tbody tr").first.wait_for()
    assert page.locator("#scatter .main-svg").count()


def test_the_form_says_what_is_wrong_while_one_types_and_shows_the_servers_refusal_at_its_field(
    place: Place, open_page: Callable
) -> None:
    page = open_page(f"{place.url}/new")
    page.locator("#epsilon").fill("3")
    page.locator("#epsilon").blur()
    assert page.locator("#epsilon-error").inner_text()
    page.locator("#epsilon").fill("0.1")
    page.locator("#epsilon").blur()
    assert page.locator("#epsilon-error").inner_text() == ""
    page.locator("#model").fill("bert-bas")
    page.locator("#task").fill("sst2")
    page.get_by_role("button", name="Start the study").click()
    page.locator("main .error", has_text="bert-base").first.wait_for()
    with place.client() as client:
        assert list(client.studies()) == []


def test_moving_epsilon_filters_the_table_at_once(finished: Place, open_page: Callable) -> None:
    page = open_page(f"{finished.url}/studies/first")
    rows = page.locator("#front tbody tr")
    rows.first.wait_for()
    page.locator("#epsilon-number").fill("0")
    page.locator("#counts", has_text="ε = 0,").wait_for()
    few = rows.count()
    page.locator("#epsilon-number").fill("0.9")
    page.locator("#counts", has_text="ε = 0.9").wait_for()
    assert few <= rows.count()
    page.locator("#epsilon-reset").click()
    page.locator("#counts", has_text="ε = 0.3").wait_for()
    page.locator("#x-axis").select_option(label="parameters")
    page.locator("#scatter .xtitle", has_text="parameters").wait_for()


def test_a_candidate_is_opened_exported_and_downloaded(finished: Place, open_page: Callable) -> None:
    page = open_page(f"{finished.url}/studies/first")
    link = page.locator("#front tbody a").first
    link.wait_for()
    number = link.inner_text().lstrip("#")
    link.click()
    page.locator(f"#candidate[data-candidate='{number}']").wait_for()
    assert f"optimize export first {number}" in page.locator("#candidate").inner_text()
    with finished.working():
        page.get_by_role("button", name="Export", exact=True).click()
        page.locator("[data-export-files] a").first.wait_for(timeout=200_000)
    with page.expect_download() as download:
        page.get_by_role("link", name="model.safetensors").click()
    assert download.value.path().stat().st_size > 1000


def test_a_complete_study_is_resumed_at_a_larger_epsilon(place: Place, open_page: Callable) -> None:
    with place.client() as client:
        client.submit(place.spec(epsilon=0.02), name="wider")
    place.work()
    page = open_page(f"{place.url}/studies/wider")
    page.locator("#scatter .main-svg").first.wait_for()
    resume = page.locator("#widen button.primary")
    assert resume.is_hidden()
    page.locator("#epsilon-number").fill("0.3")
    assert "optimize resume wider --epsilon 0.3" in page.locator("#widen").inner_text()
    page.get_by_role("button", name="Resume with ε = 0.3").click()
    page.locator("#summary[data-state=queued]").wait_for()
    with place.working():
        page.locator("#summary[data-state=complete]").wait_for(timeout=200_000)
    with place.client() as client:
        assert client.study("wider").spec["epsilon"] == 0.3
    assert "ε 0.3" in page.locator(".facts").inner_text()
    page.locator("#counts", has_text="ε = 0.3").wait_for()
    assert not page.locator("#widen").is_visible()


def test_a_queued_study_is_cancelled_resumed_and_deleted(place: Place, open_page: Callable) -> None:
    with place.client() as client:
        client.submit(place.spec(), name="waits")
    page = open_page(f"{place.url}/studies/waits")
    page.get_by_role("button", name="Cancel").click()
    page.locator("#summary[data-state=cancelled]").wait_for()
    page.get_by_role("button", name="Delete").click()
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    page.wait_for_url(f"{place.url}/")
    assert "waits" not in page.locator("main").inner_text()


def test_the_list_is_filtered_and_chosen_studies_are_compared(finished: Place, open_page: Callable) -> None:
    page = open_page(f"{finished.url}/?search=sec")
    assert "second" in page.locator("main").inner_text()
    assert "first" not in page.locator("table").inner_text()
    page.goto(f"{finished.url}/?state=failed")
    assert not page.locator("tbody a").count()
    page.goto(f"{finished.url}/")
    for box in page.locator("tbody input[type=checkbox]").all():
        box.check()
    page.get_by_role("button", name="Compare selected").click()
    page.wait_for_url("**/compare?**")
    assert {"first", "second"} <= set(page.locator("main").inner_text().split())


def test_what_a_candidate_keeps_is_shown_out_of_the_dense_models_units(finished: Place, open_page: Callable) -> None:
    with finished.client() as client:
        dense = client.result("first").baseline.config
        candidate = next(iter(client.candidates("first")))
    heads = next(group for group in dense if group.endswith(".heads"))
    assert all(candidate.config[group] <= units for group, units in dense.items())
    page = open_page(f"{finished.url}/studies/first/candidates/{candidate.candidate}")
    assert f"{candidate.config[heads]} of {dense[heads]}" in page.locator(".layers tbody tr").first.inner_text()


def test_a_study_is_tagged_and_noted_and_the_list_is_filtered_by_the_tag(place: Place, open_page: Callable) -> None:
    with place.client() as client:
        client.submit(place.spec(), name="one")
        client.submit(place.spec(seed=1), name="other")
    page = open_page(f"{place.url}/studies/one")
    page.get_by_text("Tags and note").click()
    page.locator("#tags").fill("paper, second try")
    page.locator("#note").fill("<b>why</b>\nwe did it")
    page.get_by_role("button", name="Save").click()
    page.locator(".note", has_text="<b>why</b>").wait_for()
    page.get_by_role("link", name="second try").click()
    page.wait_for_url("**/?tag=second*")
    assert page.locator("#studies .name").all_inner_texts() == ["one"]


def test_two_candidates_stand_side_by_side(finished: Place, open_page: Callable) -> None:
    page = open_page(f"{finished.url}/studies/first/compare?candidate=1&candidate=2")
    text = page.locator("main").inner_text()
    assert "#1" in text
    assert "#2" in text


def test_a_keyboard_is_enough_to_open_a_study_and_a_candidate(finished: Place, open_page: Callable) -> None:
    page = open_page(f"{finished.url}/")
    press_until(page, lambda: page.evaluate("document.activeElement.textContent.trim()") == "first")
    page.keyboard.press("Enter")
    page.wait_for_url("**/studies/first")
    page.locator("#front tbody a").first.wait_for()
    press_until(page, lambda: page.evaluate("!!document.activeElement.closest('#front tbody td a')"))
    page.keyboard.press("Enter")
    page.locator("#candidate").wait_for()
    assert page.locator("#candidate").inner_text().strip()


def press_until(page: object, holds: Callable[[], bool]) -> None:
    for _ in range(80):
        page.keyboard.press("Tab")
        if holds():
            return
    raise AssertionError("the keyboard never got there")


def test_every_page_fits_a_phone_in_light_and_dark(finished: Place, open_page: Callable) -> None:
    paths = ("/", "/new", "/studies/first", "/compare?study=first&study=second", "/studies/first/candidates/1")
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True}
    pages = {path: open_page(f"{finished.url}{path}", **phone) for path in paths}
    for path, page in pages.items():
        page.wait_for_load_state("networkidle")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.evaluate(TWO_FRAMES)  # the plots are drawn again in the other colours
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, (path, scheme)
            assert page.locator("h1, h2").count(), path


def test_a_page_that_is_not_there_is_a_page(finished: Place, open_page: Callable) -> None:
    page = open_page(f"{finished.url}/studies/nothing")
    assert "did you mean" in page.locator("main").inner_text()
    assert page.locator("a[href='/']").count()


def test_where_there_are_keys_a_browser_logs_in_once(place: Place, open_page: Callable) -> None:
    service = open_service(place.settings.storage)
    _, secret = service.keys.add("ann", [Scope.READ, Scope.WRITE])
    service.close()
    page = open_page(f"{place.url}/new")
    page.wait_for_url("**/login?**")
    page.locator("#key").fill("opk_wrong")
    page.get_by_role("button", name="Log in").click()
    page.locator("#key-error", has_text="invalid or revoked").wait_for()
    page.locator("#key").fill(secret)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/new")
    [cookie] = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"


def test_the_plots_come_from_the_vendored_bundle_as_it_was_published() -> None:
    script = VENDOR.joinpath("plotly-basic.min.js").read_bytes()
    assert hashlib.sha256(script).hexdigest() in VENDOR.joinpath("README.md").read_text(encoding="utf-8")
    assert not re.search(rb"\b(eval|Function)\(", script)  # the Content-Security-Policy forbids both


def test_a_study_that_a_worker_has_shows_its_stage_and_its_times(place: Place, open_page: Callable) -> None:
    with place.client() as client:
        client.submit(place.spec(), name="runs")
        client.submit(place.spec(seed=1), name="waits")
    service = open_service(place.settings.storage)
    try:
        job = service.jobs.claim("ann", lease_s=600)
        now = [0.0]
        tell = Reporter(service.events, job.study_id, clock=lambda: now[0])
        for seconds, event in ((0, Event(stage="load")), (2, Event(stage="bank")), (90, Event(stage="bank"))):
            now[0] += seconds
            tell(event)
        page = open_page(f"{place.url}/studies/runs")
        text = page.locator("main").inner_text()
        assert "queued" not in text
        assert "ranking units" in page.locator("#stage").inner_text()
        assert re.match("for [1-9] min ", page.locator("#stage-time").inner_text())  # its clock runs on from 1 min 30 s
        assert "Worker ann" in text
        assert page.locator(".stages .done").all_inner_texts() == [
            "loading model and data",
            "dense model on the search examples",
        ]
        for done in (3, 6):
            now[0] += 60
            tell(Event(stage="sensitivity", done=done, total=12))
        page.locator("#stage-count", has_text="6 of 12").wait_for()
        page.locator("#stage-time", has_text=re.compile("about 1 min .*left")).wait_for()  # from 2 min on
        assert "waits for a worker" in open_page(f"{place.url}/studies/waits", java_script_enabled=False).content()
    finally:
        service.close()
