"""The page in a real browser, on a platform that a simulated city sends to."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright
from tests.conftest import need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / "tests" / "browser" / "shots"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url(free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    built = (ROOT / "src" / "penstock" / "serve" / "_ui" / "index.html").is_file()
    need("the built page", present=built, how="make web")
    port, engine = free_port(), free_port()
    words = [sys.executable, "-m", "penstock.cli", "demo", "--no-history", "--homes", "200"]
    words += ["--port", str(port), "--engine-port", str(engine)]
    words += ["--data", str(tmp_path_factory.mktemp("browser") / "data")]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _await_rows(address)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(90)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    faults: list[str] = []
    opened.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.goto(url)
    yield opened
    context.close()
    assert faults == []


def test_rows_that_arrive_are_shown_without_a_reload(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("City", re.IGNORECASE))
    page.get_by_text("received − stored − dead letters").first.click()
    first = _received(page)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _received(page) <= first:
        page.wait_for_timeout(250)
    assert _received(page) > first


def test_the_balance_is_in_sight_and_even(page: Page) -> None:
    balance = page.get_by_text("received − stored − dead letters")
    expect(balance.first).to_be_visible()
    expect(page.get_by_text(re.compile(r"^= 0$")).first).to_be_visible(timeout=15_000)


def test_a_dead_letter_shows_with_its_reason(page: Page, url: str) -> None:
    _post(url, b'{"home_id":"not-a-number","ts":"2026-11-21T00:00:00Z"}')
    expect(page.get_by_text("not-a-number").first).to_be_visible(timeout=15_000)


def test_a_home_opens_by_its_address(page: Page, url: str) -> None:
    page.goto(f"{url}/?home=7")
    expect(page.get_by_text(re.compile(r"Home 7\b")).first).to_be_visible(timeout=15_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_is_content_and_nothing_scrolls_sideways(
    browser: Browser, url: str, width: int, scheme: str
) -> None:
    need("axe-core", present=AXE.is_file(), how="make web")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    page.goto(f"{url}/?home=7")
    expect(page.get_by_text(re.compile(r"Home 7\b")).first).to_be_visible(timeout=15_000)
    page.wait_for_timeout(2500)
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"city-{width}-{scheme}.png", full_page=True)
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run()")["violations"]
    serious = [v for v in found if v["impact"] in {"serious", "critical"}]
    assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


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


def _post(address: str, body: bytes) -> None:
    request = urllib.request.Request(
        f"{address}/v1/ingest/homes/readings", body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()


if os.environ.get("PENSTOCK_KEEP_SHOTS") != "1":
    SHOTS = Path(os.environ.get("TMPDIR", "/tmp")) / "penstock-shots"
