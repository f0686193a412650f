"""The page in a real browser, on a platform that a simulated city sends to."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from benchmarks.page import first_visit
from playwright.sync_api import expect

from .conftest import check_axe, drag, looked_at, penstock, post, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
ODD = 4242  # a home that was much too warm for one hour, five hours ago


@pytest.fixture(scope="module")
def url(free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = str(tmp_path_factory.mktemp("browser") / "data")
    words = ["demo", "--no-history", "--homes", "200", "--data", data]
    with penstock(*words, port=free_port(), engine_port=free_port()) as address:
        _await_rows(address)
        post(address, "homes/readings", *_weeks(ODD))
        yield address


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    with looked_at(browser, f"{url}/city") as opened:
        yield opened


def test_a_first_visit_is_light(browser: Browser, url: str) -> None:
    found = first_visit(browser, url)
    assert {"Document", "Script", "Stylesheet", "Font", "Fetch"} <= set(found)
    assert sum(found.values()) <= 150 * 1024, found


def test_rows_that_arrive_are_shown_without_a_reload(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("City")
    page.get_by_text("received − stored − dead letters").first.click()
    first = _received(page)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _received(page) <= first:
        page.wait_for_timeout(250)
    assert _received(page) > first


def test_the_balance_is_in_sight_and_even(page: Page) -> None:
    balance = page.get_by_text("received − stored − dead letters")
    expect(balance.first).to_be_visible()
    expect(page.get_by_text(re.compile(r"^= 0$")).first).to_be_visible()


def test_a_dead_letter_shows_with_its_reason(page: Page, url: str) -> None:
    post(url, "homes/readings", {"home_id": "not-a-number", "ts": "2026-11-21T00:00:00Z"})
    page.get_by_role("link", name="Dead letters").first.click()
    expect(page.get_by_text("not-a-number").first).to_be_visible()


def test_a_home_opens_by_its_address(page: Page, url: str) -> None:
    page.goto(f"{url}/city?home=7")
    expect(page.get_by_text(re.compile(r"Home 7\b")).first).to_be_visible()


def test_what_is_odd_of_a_home_is_listed_and_zoomed_to(page: Page, url: str) -> None:
    page.goto(f"{url}/city?home={ODD}")
    spells = page.get_by_role("complementary").get_by_role("listitem")
    spell = spells.filter(has_text="temperature 26.0").filter(has_text="above")
    expect(spell).to_be_visible()
    expect(spell).to_contain_text("20.0 expected")
    spell.get_by_role("link").click()
    expect(page).to_have_url(re.compile(rf"home={ODD}&from=\d+&to="))
    chart = page.get_by_role("application", name=re.compile("^Temperature by hour"))
    expect(page.get_by_role("link", name="Reset zoom")).to_be_visible()

    # The same by key, by mouse, and from a link that somebody sent.
    by_link = page.url
    chart.focus()
    page.keyboard.press("+")
    expect(page).not_to_have_url(by_link)
    by_key = page.url
    drag(page, chart.locator(".u-over"), 0.4, 0.8)
    expect(page).not_to_have_url(by_key)
    drawn = page.url
    page.reload()
    page.get_by_role("link", name="Reset zoom").click()
    expect(page).to_have_url(re.compile(rf"/city\?home={ODD}$"))
    page.go_back()
    expect(page).to_have_url(drawn)


def test_the_map_counts_states_and_shows_the_homes_of_one(page: Page) -> None:
    legend = page.get_by_role("group", name="Show homes of one state")
    silent = legend.get_by_role("link", name=re.compile("^silent"))
    expect(silent).to_have_text(re.compile(r"silent over 5 min [1-9]\b"))
    silent.click()
    expect(page).to_have_url(re.compile(r"state=silent"))
    option = page.get_by_role("option")
    expect(option).to_have_attribute("aria-label", re.compile("silent, last heard"))
    expect(option).to_have_attribute("aria-setsize", re.compile(r"^[1-3]$"))
    legend.get_by_role("link", name="All homes").click()
    expect(option).to_have_attribute("aria-setsize", re.compile(r"^20\d$"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_is_content_and_nothing_scrolls_sideways(
    browser: Browser, url: str, width: int, scheme: str
) -> None:
    with sized(browser, f"{url}/city?home={ODD}", width, scheme) as page:
        chart = page.get_by_role("application", name=re.compile("^Temperature by hour"))
        expect(chart).to_be_visible()
        expect(page.locator(".skeleton")).to_have_count(0)
        check_axe(page, f"city-{width}-{scheme}")


def _received(page: Page) -> int:
    """Rows received, read from the open sheet of the balance."""
    figure = page.locator("dt", has_text=re.compile("^received$")).locator("xpath=following::dd[1]")
    expect(figure).to_be_visible()
    return int(figure.inner_text().replace(",", ""))


def _await_rows(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/v1/status", timeout=2) as answer:
                if json.load(answer)["balance"]["silver"] > 0:
                    return
        except OSError:
            pass
        time.sleep(0.2)
    pytest.fail("the demo brought no rows within a minute")


def _weeks(home: int) -> list[dict[str, object]]:
    """Two readings an hour of the last day and of the same day of two weeks before."""
    this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows: list[dict[str, object]] = []
    for week in range(3):
        for hour in range(1, 25):
            at = this_hour - timedelta(weeks=week, hours=hour)
            warm = 26 if (week, hour) == (0, 5) else 20
            rows += [
                {"home_id": home, "ts": (at + timedelta(minutes=minute)).isoformat(),
                 "region": "north", "temperature": warm + off, "energy": 100, "voltage": 230}
                for minute, off in ((10, -0.1), (40, 0.1))
            ]  # fmt: skip
    return rows
