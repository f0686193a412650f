"""Dashboards in a real browser: drawn live, chosen and zoomed by the address, for every reader."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from .conftest import check_axe, drag, looked_at, penstock, post, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
CITY, HOME = "/dashboards/homes/city?from=now-15m&to=now", "/dashboards/homes/home"


@pytest.fixture(scope="module")
def url(free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = str(tmp_path_factory.mktemp("browser") / "data")
    words = ["demo", "--no-history", "--homes", "200", "--data", data]
    with penstock(*words, port=free_port(), engine_port=free_port()) as address:
        post(address, "homes/readings", *_past())
        yield address


def _past() -> list[dict[str, object]]:
    """Ten minutes of four homes, so that whole minutes are there to draw."""
    now = time.time()
    return [
        {"home_id": home, "region": region, "energy": 1.5 + home / 10, "temperature": 20 + home,
         "voltage": 231.5, "vibration": 0.4,
         "ts": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 15 * step))}
        for step in range(40)
        for home, region in ((1, "north"), (2, "south"), (3, "east"), (4, "west"))
    ]  # fmt: skip


def _query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_the_list_leads_to_each_dashboard(browser: Browser, url: str) -> None:
    with looked_at(browser, f"{url}/dashboards") as page:
        page.get_by_role("main").get_by_role("link", name="City", exact=True).click()
        expect(page.get_by_role("region", name="Power by region")).to_be_visible()
        expect(page).to_have_title(re.compile("^City · Dashboards"))


def test_every_kind_is_drawn_and_says_what_it_shows(browser: Browser, url: str) -> None:
    with looked_at(browser, url + CITY) as page:
        for title in ("Power by region", "Energy shared", "Temperature inside",
                      "Readings a minute", "Warmth by home and hour"):  # fmt: skip
            panel = page.get_by_role("region", name=title, exact=True)
            expect(panel.locator("canvas").first).to_be_visible()
            caption = panel.locator("figcaption .caption")
            expect(caption).to_contain_text(re.compile(r"\d"))
        expect(page.get_by_role("region", name="Warmest home").locator("svg path")).to_have_count(2)
        homes = page.get_by_role("region", name="Homes", exact=True)
        expect(homes.locator(".figure")).to_contain_text(re.compile(r"[1-9]"))


def test_what_arrives_is_drawn_without_a_reload(browser: Browser, url: str) -> None:
    with looked_at(browser, f"{url}{HOME}?var-home=1&refresh=0") as page:
        rows = page.get_by_role("region", name="Newest readings, rows").locator("tbody tr")
        newest = rows.first.locator("td").first
        before = newest.inner_text()
        expect(newest).not_to_have_text(before)


def test_a_variable_is_in_the_address_and_goes_back(browser: Browser, url: str) -> None:
    with looked_at(browser, url + CITY) as page:
        legend = page.get_by_role("region", name="Power by region").locator("ul")
        region = page.get_by_role("combobox", name="Region", exact=True)
        expect(legend).to_contain_text("south")
        region.select_option("north")
        expect(legend).not_to_contain_text("south")
        assert _query(page) == {"from": "now-15m", "to": "now", "var-region": "north"}
        page.reload()
        expect(region).to_have_value("north")
        expect(legend).to_contain_text("north")
        page.go_back()
        expect(legend).to_contain_text("south")


def test_drawing_a_span_zooms_all_panels(browser: Browser, url: str) -> None:
    with looked_at(browser, url + CITY) as page:
        plot = page.get_by_role("region", name="Readings a minute").locator(".u-over")
        drag(page, plot, 0.3, 0.6)
        page.wait_for_url(re.compile(r"from=\d{13}&to=\d{13}"))
        query = _query(page)
        length = (int(query["to"]) - int(query["from"])) / 1000
        assert 240 <= length <= 300  # three tenths of fifteen minutes
        page.get_by_role("button", name="Back to last 1 hour").click()
        page.wait_for_url(re.compile("from=now-1h&to=now"))
        page.go_back()
        assert _query(page)["from"] == query["from"]


def test_a_chart_is_read_by_keys_and_as_a_table(browser: Browser, url: str) -> None:
    with looked_at(browser, url + CITY) as page:
        panel = page.get_by_role("region", name="Energy shared")
        expect(panel.locator("canvas")).to_be_visible()
        panel.get_by_role("application").focus()
        page.keyboard.press("Home")
        expect(panel.locator("[aria-live]")).to_contain_text(re.compile(r"\w+: kwh \d"))
        panel.get_by_role("button", name="Table of Energy shared").click()
        expect(panel.get_by_role("table")).to_contain_text("kwh, kWh")


def test_what_is_not_there_is_said(browser: Browser, url: str) -> None:
    with looked_at(browser, f"{url}/dashboards/homes/nothing") as page:
        expect(page.get_by_text("There is no dashboard homes/nothing")).to_be_visible()
        expect(page.get_by_text("homes/dashboards/nothing.toml")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "path", "size"),
    [
        ("city", CITY, (1440, "dark")),
        ("city", CITY, (390, "light")),
        ("home", f"{HOME}?var-home=1", (1440, "light")),
        ("home", f"{HOME}?var-home=1", (390, "dark")),
        ("list", "/dashboards", (390, "light")),
    ],
)
def test_it_fits_and_is_content(
    browser: Browser, url: str, name: str, path: str, size: tuple[int, str]
) -> None:
    with sized(browser, url + path, *size) as page:
        main = page.get_by_role("main")
        drawn = main.get_by_role("link") if name == "list" else main.locator("canvas")
        expect(drawn.first).to_be_visible()
        loading = page.get_by_role("status").filter(has_text="loading")
        expect(loading).to_have_count(0)
        check_axe(page, f"dashboards-{name}-{size[0]}-{size[1]}")
