"""The page of a project that has no city: what any project has, whatever its files are called."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from .conftest import Meters, check_both_themes, looked_at, meters_up, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def meters(
    free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Meters]:
    with meters_up(tmp_path_factory.mktemp("meters"), free_port) as up:
        now = datetime.now(UTC).isoformat()
        up.post({"meter_id": 7, "ts": now, "power": 3}, {"meter_id": "none of ours"})
        yield up


@pytest.fixture
def page(browser: Browser, meters: Meters) -> Iterator[Page]:
    with looked_at(browser, meters.url) as opened:
        yield opened


def test_any_project_has_its_pages(page: Page, meters: Meters) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Flow")
    expect(page.get_by_text(re.compile(r"^= 0$")).first).to_be_visible()
    places = page.get_by_role("navigation", name="Pages")
    expect(places.get_by_role("link", name="City")).to_have_count(0)
    places.get_by_role("link", name="Sources").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sources")
    sources = page.locator("#sources")
    expect(sources).to_contain_text("meters/readings")
    expect(sources).to_contain_text(re.compile(r"received\s*2"))
    expect(sources).to_contain_text("1 dead letter")
    places.get_by_role("link", name="Dead letters").click()
    expect(page.get_by_role("main")).to_contain_text("none of ours")
    places.get_by_role("link", name="Endpoints").click()
    page.get_by_role("link", name="meters/hourly").click()
    link = page.get_by_role("link", name="json of hourly", exact=True)
    with urllib.request.urlopen(meters.url + str(link.get_attribute("href")), timeout=10) as answer:
        assert json.load(answer)["meta"]
    page.wait_for_timeout(1500)  # a stream that failed would have said so twice by now
    expect(page.get_by_text("does not answer")).to_be_hidden()
    assert page.locator(".skeleton").count() == 0


@pytest.mark.parametrize("width", [1440, 390])
def test_axe_is_content_with_them(browser: Browser, meters: Meters, width: int) -> None:
    with sized(browser, f"{meters.url}/dead-letters", width, "light") as page:
        expect(page.get_by_role("main")).to_contain_text("none of ours")
        check_both_themes(page, f"meters-letters-{width}")
        page.goto(f"{meters.url}/sources")
        expect(page.locator("#sources")).to_contain_text("meters/readings")
        check_both_themes(page, f"meters-sources-{width}")


def test_an_endpoint_shows_as_its_file_is_saved(page: Page, meters: Meters) -> None:
    page.goto(f"{meters.url}/endpoints")
    file = meters.project / "meters" / "serve" / "most.sql"
    expect(page.locator("#endpoints")).to_contain_text("meters/hourly")
    file.write_text("/*\ndescription: The most.\n*/\nSELECT max(meter_id) AS most FROM hourly\n")
    try:
        expect(page.locator("#endpoints")).to_contain_text("meters/most")
    finally:
        file.unlink()
    expect(page.locator("#endpoints")).not_to_contain_text("meters/most")


def test_keys_lead_to_places_and_are_told(page: Page) -> None:
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Flow")
    page.keyboard.press("g")
    page.keyboard.press("d")
    expect(heading).to_have_text("Dead letters")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_contain_text("Endpoints")
    page.keyboard.press("g")  # not while the dialog is open
    page.keyboard.press("e")
    expect(keys).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    expect(heading).to_have_text("Dead letters")
    expect(page).to_have_title(re.compile("^Dead letters · "))


def test_an_address_that_is_none_of_ours_is_said(page: Page, meters: Meters) -> None:
    page.goto(f"{meters.url}/nowhere")
    expect(page.get_by_role("heading", level=1)).to_have_text("No such page")
    page.get_by_role("link", name="Go to Flow").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Flow")


def test_a_phone_reaches_every_place(browser: Browser, meters: Meters) -> None:
    with sized(browser, meters.url, 390, "light") as page:
        bar = page.get_by_role("navigation", name="Places")
        expect(bar.locator("> *")).to_have_count(5)
        bar.get_by_role("button", name="More").click()
        sheet = page.get_by_role("dialog", name="All places")
        check_both_themes(page, "more-390")
        sheet.get_by_role("link", name="Sources").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Sources")
        expect(sheet).to_be_hidden()


def test_an_engine_that_is_down_is_not_called_live(page: Page, meters: Meters) -> None:
    """Killed, and its data seems to be a newer one's: it cannot start until that is mended."""
    state = page.get_by_role("status").filter(has_text=re.compile(r"^(live|engine \w+)$"))
    expect(state).to_have_text("live")
    note = meters.data / "engine.version"
    written = note.read_text()
    note.write_text("99.1")
    os.kill(int((meters.data / "engine.lock").read_text()), signal.SIGKILL)
    try:
        expect(state).to_have_text("engine down")
        expect(page.get_by_text("The engine is down")).to_be_visible()
    finally:
        note.write_text(written)
    expect(state).to_have_text("live", timeout=40_000)
