"""Flow in a real browser: the graph of a project that runs, a node in full, an event followed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from benchmarks.harness import meanwhile
from playwright.sync_api import expect

from .conftest import Meters, check_both_themes, looked_at, meters_up, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from playwright.sync_api import Browser, Locator, Page

ALERT = """/*
description: A meter draws much.
every: 1s
message: Meter {meter_id} draws much
*/
SELECT meter_id FROM readings WHERE power > 1000
"""
pytestmark = pytest.mark.slow


def reading(power: float = 3) -> dict[str, object]:
    return {"meter_id": 7, "ts": datetime.now(UTC).isoformat(), "power": power}


def sending(meters: Meters) -> AbstractContextManager[None]:
    """A reading now and then, until the block ends."""
    return meanwhile(lambda: meters.post(reading()), every=0.2)


@pytest.fixture(scope="module")
def meters(
    free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Meters]:
    files = {"meters/alerts/much.sql": ALERT}
    with meters_up(tmp_path_factory.mktemp("flow"), free_port, files) as up:
        up.post(reading())
        yield up


@pytest.fixture
def page(browser: Browser, meters: Meters) -> Iterator[Page]:
    with looked_at(browser, meters.url) as opened:
        yield opened


def node(page: Page, key: str) -> Locator:
    return page.locator(f'[data-node="{key}"]')


def test_the_graph_is_that_of_the_files_and_moves_with_the_rows(page: Page, meters: Meters) -> None:
    for key in ("meters.sources.readings", "meters.raw_meters", "meters.readings", "meters.hourly"):
        expect(node(page, key)).to_be_visible()
    for key in ("meters.serve.hourly", "meters.alerts.much"):
        expect(node(page, key)).to_be_visible()
    assert page.locator("svg path[d^='M']").count() >= 5
    with sending(meters):
        expect(node(page, "meters.raw_meters")).to_contain_text(re.compile(r"\d/s"))
        point = page.locator(".graph svg circle").first
        expect(point).to_be_visible()
        page.emulate_media(reduced_motion="reduce")
        expect(point).to_have_css("display", "none")  # there, but not drawn


def test_a_node_opens_by_click_and_by_address_and_gives_the_focus_back(
    page: Page, meters: Meters
) -> None:
    silver = node(page, "meters.readings")
    silver.click()
    drawer = page.get_by_role("dialog", name="readings")
    expect(drawer).to_contain_text("meters/silver/readings.sql")
    expect(page).to_have_url(re.compile(r"\?node=meters\.readings$"))
    expect(drawer.get_by_role("region", name=re.compile("as it is saved"))).to_contain_text(
        "CREATE MATERIALIZED VIEW"
    )
    expect(drawer.get_by_role("rowheader", name=re.compile("^meter_id"))).to_be_visible()
    drawer.get_by_role("link", name="raw_meters").click()
    expect(page.get_by_role("dialog", name="raw_meters")).to_be_visible()
    page.go_back()
    expect(drawer).to_be_visible()
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(silver).to_be_focused()
    expect(page).to_have_url(re.compile(r"/$"))
    page.goto(f"{meters.url}/?node=meters.hourly")
    expect(page.get_by_role("dialog", name="hourly")).to_contain_text("AggregatingMergeTree")
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        ), "the focus stays in the drawer"
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_node_that_is_none_is_said(browser: Browser, meters: Meters) -> None:
    with sized(browser, f"{meters.url}/?node=meters.nothing", 1440, "dark") as page:
        expect(page.get_by_role("dialog")).to_contain_text("there is no meters/nothing")


def test_one_event_is_followed_to_the_screen(page: Page, meters: Meters) -> None:
    expect(node(page, "meters.raw_meters")).to_be_visible()
    with sending(meters):
        page.get_by_role("button", name="Follow one event").click()
        way = page.locator("#follow")
        expect(way).to_contain_text("on this screen after", timeout=30_000)
    expect(way.locator("li")).to_have_count(8)
    expect(way.locator("li").last).to_contain_text("on screen")
    total = re.search(r"after ([\d,.]+)\s(ms|s)", way.inner_text())
    assert total
    parts = [int(re.sub(r"\D", "", text)) for text in way.locator("li .at").all_inner_texts()[1:]]
    if total[2] == "ms":
        assert abs(int(total[1].replace(",", "")) - sum(parts)) <= len(parts)


def test_what_fires_is_told_on_every_page(page: Page, meters: Meters) -> None:
    meters.post(reading(power=5000))
    needs = page.get_by_role("region", name="What needs you")
    expect(needs.get_by_role("link", name=re.compile("Meter 7 draws much"))).to_be_visible()
    expect(node(page, "meters.alerts.much")).to_contain_text("1 firing")


def test_the_graph_grows_with_the_files(page: Page, meters: Meters) -> None:
    file = meters.project / "meters" / "gold" / "lately.sql"
    expect(node(page, "meters.hourly")).to_be_visible()
    file.write_text("/*\ndescription: Lately.\n*/\nCREATE VIEW lately AS SELECT * FROM hourly\n")
    expect(node(page, "meters.lately")).to_be_visible(timeout=30_000)


@pytest.mark.parametrize("width", [1440, 390])
def test_axe_is_content_with_flow_and_a_node(browser: Browser, meters: Meters, width: int) -> None:
    with sized(browser, meters.url, width, "light") as page:
        expect(node(page, "meters.raw_meters")).to_be_visible()
        check_both_themes(page, f"flow-{width}")
        node(page, "meters.readings").click()
        expect(page.get_by_role("dialog", name="readings")).to_contain_text("Columns")
        check_both_themes(page, f"flow-node-{width}")
