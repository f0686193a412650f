"""A mistake in a project's files is shown on the page until it is hidden or mended."""

from __future__ import annotations

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

from .test_city import AXE, FLAGS, ROOT, SHOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow


@pytest.fixture
def running(free_port: Callable[[], int], tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A city of one's own that runs: its address and its folder."""
    built = (ROOT / "src" / "penstock" / "serve" / "_ui" / "index.html").is_file()
    need("the built page", present=built, how="make web")
    penstock = [sys.executable, "-m", "penstock.cli"]
    subprocess.run([*penstock, "new", "city", "--from", "homes"], cwd=tmp_path, check=True)
    port, engine = free_port(), free_port()
    words = ["up", "--project", str(tmp_path / "city"), "--port", str(port)]
    process = subprocess.Popen(
        [*penstock, *words, "--engine-port", str(engine)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=2).close()
            break
        except OSError:
            time.sleep(0.1)
    yield url, tmp_path / "city"
    process.send_signal(signal.SIGINT)
    process.wait(60)


def test_a_mistake_in_a_file_is_shown_until_it_is_mended(
    running: tuple[str, Path], chromium: str
) -> None:
    url, folder = running
    file = folder / "homes" / "serve" / "homes_now.sql"
    sound = file.read_text()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 390, "height": 900}, bypass_csp=True)
        page.goto(url)
        said = page.get_by_text(re.compile(r"homes/serve/homes_now\.sql:\d+"))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        file.write_text(sound.replace("home_latest", "home_latst"))
        expect(said).to_be_visible(timeout=15_000)
        need("axe-core", present=AXE.is_file(), how="make web")
        page.add_script_tag(path=AXE)
        SHOTS.mkdir(exist_ok=True)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=SHOTS / f"files-390-{scheme}.png")
            found = page.evaluate("axe.run()")["violations"]
            serious = [v for v in found if v["impact"] in {"serious", "critical"}]
            assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_role("button", name="Hide").click()
        expect(said).to_be_hidden()
        file.write_text(sound.replace("home_latest", "home_ltest"))  # another mistake shows again
        expect(said).to_be_visible(timeout=15_000)
        file.write_text(sound)
        expect(said).to_be_hidden(timeout=15_000)
        browser.close()
