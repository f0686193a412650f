"""Dashboards in a real browser: drawn live, chosen and zoomed by the address, for every reader."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from .conftest import check_axe, looked_at, penstock, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, FloatRect, Locator, Page

pytestmark = pytest.mark.slow
LONG = 20_000  # ms: the machine may be busy with more than this
CITY, HOME = "/dashboards/homes/city?from=now-15m&to=now", "/dashboards/homes/home"


@pytest.fixture(scope="module")
def url(free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = str(tmp_path_factory.mktemp("browser") / "data")
    words = ["demo", "--no-history", "--homes", "200", "--data", data]
    with penstock(*words, port=free_port(), engine_port=free_port()) as address:
        _send_past(address)
        yield address


def _send_past(address: str) -> None:
    """Ten minutes of four homes, so that whole minutes are there to draw."""
    now = time.time()
    rows = [
        {"home_id": home, "region": region, "energy": 1.5 + home / 10, "temperature": 20 + home,
         "voltage": 231.5, "vibration": 0.4,
         "ts": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 15 * step))}
        for step in range(40)
        for home, region in ((1, "north"), (2, "south"), (3, "east"), (4, "west"))
    ]  # fmt: skip
    body = "\n".join(map(json.dumps, rows)).encode()
    sent = urllib.request.Request(f"{address}/v1/ingest/homes/readings?wait=true", body)
    sent.add_header("Content-Type", "application/x-ndjson")
    with urllib.request.urlopen(sent, timeout=30) as answer:
        assert json.load(answer)["stored"] == len(rows)


def _query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_the_list_leads_to_each_dashboard(browser: Browser, url: str) -> None:
    with looked_at(browser, f"{url}/dashboards") as page:
        page.get_by_role("link", name="City", exact=True).last.click()
        expect(page.get_by_role("region", name="Power by region")).to_be_visible()
        expect(page).to_have_title(re.compile("^City · Dashboards"))


def test_every_kind_is_drawn_and_says_what_it_shows(browser: Browser, url: str) -> None:
    with looked_at(browser, url + CITY) as page:
        for title in ("Power by region", "Energy shared", "Temperature inside",
                      "Readings a minute", "Warmth by home and hour"):  # fmt: skip
            panel = page.get_by_role("region", name=title, exact=True)
            expect(panel.locator("canvas").first).to_be_visible(timeout=LONG)
            caption = panel.locator("figcaption .caption")
            expect(caption).to_contain_text(re.compile(r"\d"), timeout=LONG)
        expect(page.get_by_role("region", name="Warmest home").locator("svg path")).to_have_count(
            2, timeout=LONG
        )
        homes = page.get_by_role("region", name="Homes", exact=True)
        expect(homes.locator(".figure")).to_contain_text(re.compile(r"[1-9]"), timeout=LONG)


def test_what_arrives_is_drawn_without_a_reload(browser: Browser, url: str) -> None:
    with looked_at(browser, f"{url}{HOME}?var-home=1&refresh=0") as page:
        rows = page.get_by_role("region", name="Newest readings, rows").locator("tbody tr")
        newest = rows.first.locator("td").first
        before = newest.inner_text()
        expect(newest).not_to_have_text(before, timeout=15_000)


def test_a_variable_is_in_the_address_and_goes_back(browser: Browser, url: str) -> None:
    with looked_at(browser, url + CITY) as page:
        legend = page.get_by_role("region", name="Power by region").locator("ul")
        region = page.get_by_role("combobox", name="Region", exact=True)
        expect(legend).to_contain_text("south", timeout=LONG)
        region.select_option("north")
        expect(legend).not_to_contain_text("south", timeout=LONG)
        assert _query(page) == {"from": "now-15m", "to": "now", "var-region": "north"}
        page.reload()
        expect(region).to_have_value("north")
        expect(legend).to_contain_text("north", timeout=LONG)
        page.go_back()
        expect(legend).to_contain_text("south", timeout=LONG)


def test_drawing_a_span_zooms_all_panels(browser: Browser, url: str) -> None:
    with looked_at(browser, url + CITY) as page:
        plot = page.get_by_role("region", name="Readings a minute").locator(".u-over")
        expect(plot).to_be_visible(timeout=LONG)
        box = _at_rest(page, plot)
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] * 0.3, middle)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=4)
        page.mouse.up()
        page.wait_for_url(re.compile(r"from=\d{13}&to=\d{13}"))
        query = _query(page)
        length = (int(query["to"]) - int(query["from"])) / 1000
        assert 240 <= length <= 300  # three tenths of fifteen minutes
        page.get_by_role("button", name="Back to last 1 hour").click()
        page.wait_for_url(re.compile("from=now-1h&to=now"))
        page.go_back()
        assert _query(page)["from"] == query["from"]


def _at_rest(page: Page, drawn: Locator) -> FloatRect:
    """Where something is in the window, once what comes above it is there as well."""
    drawn.scroll_into_view_if_needed()
    before, box = None, drawn.bounding_box()
    while box is None or box != before:
        page.wait_for_timeout(300)
        before, box = box, drawn.bounding_box()
    return box


def test_a_chart_is_read_by_keys_and_as_a_table(browser: Browser, url: str) -> None:
    with looked_at(browser, url + CITY) as page:
        panel = page.get_by_role("region", name="Energy shared")
        expect(panel.locator("canvas")).to_be_visible(timeout=LONG)
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
        expect(drawn.first).to_be_visible(timeout=LONG)
        loading = page.get_by_role("status").filter(has_text="loading")
        expect(loading).to_have_count(0, timeout=LONG)
        check_axe(page, f"dashboards-{name}-{size[0]}-{size[1]}")
