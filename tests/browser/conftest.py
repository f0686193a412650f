"""What the browser tests share: Chromium, a Penstock to look at, a page that must not complain."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright
from tests.conftest import need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import BinaryIO

    from playwright.sync_api import Browser, Locator, Page

ROOT = Path(__file__).parents[2]
METERS = ROOT / "tests" / "fixtures" / "projects" / "meters"
SHOTS = ROOT / "tests" / "browser" / "shots"
if os.environ.get("PENSTOCK_KEEP_SHOTS") != "1":
    SHOTS = Path(os.environ.get("TMPDIR", "/tmp")) / "penstock-shots"
PENSTOCK = [sys.executable, "-m", "penstock.cli"]
_AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
expect.set_options(timeout=20_000)  # ms: the machine may be busy with more than this


@pytest.fixture(scope="session", autouse=True)
def _built() -> None:
    present = (ROOT / "src" / "penstock" / "serve" / "_ui" / "index.html").is_file()
    need("the built page", present=present, how="make web")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield opened
        opened.close()


@contextmanager
def penstock(*words: str, port: int, engine_port: int) -> Iterator[str]:
    """`penstock …` on ports of its own until the block ends; gives its address."""
    ports = ["--port", str(port), "--engine-port", str(engine_port)]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [*PENSTOCK, *words, *ports], stdout=subprocess.DEVNULL, stderr=said
        )
        try:
            _await_ready(url, process, said)
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(90)


def post(url: str, source: str, *records: object) -> None:
    """Send records to a source, and wait until pages can show them; a text goes as it is."""
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    sent = urllib.request.Request(
        f"{url}/v1/ingest/{source}?wait=true",
        "\n".join(lines).encode(),
        {"Content-Type": "application/x-ndjson"},
    )
    urllib.request.urlopen(sent, timeout=30).close()


@dataclass(frozen=True)
class Meters:
    """`penstock up` of a copy of the meters: its address, its files, its data, its engine."""

    url: str
    project: Path
    data: Path
    engine: str

    def post(self, *records: object) -> None:
        """Send readings."""
        post(self.url, "meters/readings", *records)


@contextmanager
def meters_up(
    folder: Path, free_port: Callable[[], int], files: Mapping[str, str] | None = None
) -> Iterator[Meters]:
    """The meters of a folder, with files (path → text) beside their own."""
    project, data, engine = folder / "meters", folder / "data", free_port()
    shutil.copytree(METERS, project)
    for path, text in (files or {}).items():
        file = project / path
        file.parent.mkdir(exist_ok=True)
        with file.open("a") as opened:
            opened.write(text)
    words = ["up", "--project", str(project), "--data", str(data)]
    with penstock(*words, port=free_port(), engine_port=engine) as url:
        yield Meters(url, project, data, f"http://127.0.0.1:{engine}/")


@contextmanager
def looked_at(browser: Browser, url: str) -> Iterator[Page]:
    """A page that is open in the block, and has put nothing on its console at the end of it."""
    faults: list[str] = []
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        page = context.new_page()
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(url)
        yield page
    assert faults == []


@contextmanager
def sized(browser: Browser, url: str, width: int, scheme: str) -> Iterator[Page]:
    """A page of a width in a colour scheme, into which axe may be put."""
    with browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    ) as context:
        page = context.new_page()
        page.goto(url)
        yield page


def drag(page: Page, plot: Locator, start: float, end: float) -> None:
    """Draw across a plot, between two shares of its width, once nothing moves it any more."""
    expect(page.locator(".skeleton")).to_have_count(0)
    before, box = None, None
    for _ in range(40):
        plot.scroll_into_view_if_needed()
        before, box = box, plot.bounding_box()
        if box and box == before:
            break
        page.wait_for_timeout(300)
    assert box
    assert box == before, "the plot does not come to rest"
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * end, middle, steps=4)
    page.mouse.up()


def check_both_themes(page: Page, shot: str) -> None:
    """`check_axe` of a page that is open in light, and of what colours can change in dark."""
    check_axe(page, f"{shot}-light")
    page.emulate_media(color_scheme="dark")
    check_axe(page, f"{shot}-dark", "color-contrast", "link-in-text-block")
    page.emulate_media(color_scheme="light")


def check_axe(page: Page, shot: str, *rules: str) -> None:
    """Take a picture; axe finds nothing serious, and nothing scrolls sideways.

    Args:
        page: open in a context without its content policy.
        shot: name of the picture.
        rules: of axe; all of them where none is named.
    """
    need("axe-core", present=_AXE.is_file(), how="make web")
    SHOTS.mkdir(exist_ok=True)
    expect(page).to_have_title(re.compile("."))  # it says where one is as soon as it is drawn
    page.screenshot(path=SHOTS / f"{shot}.png", full_page=True)
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(path=_AXE)
    asked = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
    found = page.evaluate("asked => axe.run(asked)", asked)["violations"]
    serious = [v for v in found if v["impact"] in {"serious", "critical"}]
    assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
    width = page.evaluate("window.innerWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def _await_ready(url: str, process: subprocess.Popen[bytes], said: BinaryIO) -> None:
    deadline = time.monotonic() + 120  # it has taken 53 s beside three busy loops
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    said.seek(0)
    tail = said.read()[-4000:].decode(errors="replace")
    pytest.fail(f"{url} ended, or was not ready within two minutes. It said:\n{tail}")
