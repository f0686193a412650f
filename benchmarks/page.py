"""The page in Chromium: what six live charts cost, and how much is fetched at first."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import EXAMPLES, Figure, Running, meanwhile, running, send

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from playwright.sync_api import Browser, Page

CHARTS, POINTS, HZ = 6, 3_600, 4
ROUNDS, SECONDS = 5, 8.0
_FIRST_HOME = 900_000
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
          "--disable-background-networking", "--disable-component-update"]  # fmt: skip
_PANEL = '''
[[row.panel]]
title = "Chart {n}"
kind = "line"
value = "temperature"
width = 4
reason = "single readings, which no gold keeps"
sql = """
SELECT ts AS time, temperature
FROM readings
WHERE home_id = {home} AND $__timeFilter_ms(ts)
ORDER BY ts
"""
'''
# Frames are counted where the page takes them.
_COUNT = """
window.frames_seen = 0;
const add = EventSource.prototype.addEventListener;
EventSource.prototype.addEventListener = function (kind, then) {
  const counted = (event) => { window.frames_seen += 1; then(event); };
  return add.call(this, kind, ['tile', 'change'].includes(kind) ? counted : then);
};
"""


def measure() -> list[Figure]:
    """Processor time of the whole browser while six charts are fed, and bytes of a first visit."""
    with tempfile.TemporaryDirectory() as folder, running(_project(Path(folder)), **_PACE) as here:
        _send_hour(here)
        with _browser() as browser:
            loaded = sum(first_visit(browser, here.url).values())
            with _feed(here):
                cpu, rate = _charts(browser, f"{here.url}/dashboards/bench")
    name = f"{CHARTS} live charts of {POINTS:,} points at {HZ} Hz, processor of the browser"
    return [
        Figure(name, cpu, "% of a core", None, None, "<= 25"),
        Figure("frames a second of each of those charts", rate, "Hz", None, None, ">= 3.5"),
        Figure("first load of the home page, gzipped", loaded / 1024, "KB", None, None, "<= 150"),
    ]


_PACE = {"PENSTOCK_BATCH_AGE": "50ms"}


def _project(folder: Path) -> Path:
    """The examples with one more dashboard: six lines over an hour of a reading a second."""
    root = folder / "examples"
    shutil.copytree(EXAMPLES, root, ignore=shutil.ignore_patterns(".data"))
    panels = "".join(_PANEL.format(n=n, home=_FIRST_HOME + n) for n in range(CHARTS))
    text = f'title = "Bench"\nfrom = "now-1h"\n\n[[row]]\n{panels}'
    (root / "homes" / "dashboards" / "bench.toml").write_text(text, "utf-8")
    return root


def _reading(home: int, at: datetime) -> str:
    text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    value = 20 + (at.timestamp() * (home % 7 + 1) / 60) % 5
    return json.dumps({"home_id": home, "ts": text, "region": "north", "temperature": value})


def _send_hour(here: Running) -> None:
    now = datetime.now(UTC)
    for n in range(CHARTS):
        rows = (_reading(_FIRST_HOME + n, now - timedelta(seconds=s)) for s in range(POINTS))
        send(here.url, "\n".join(rows).encode() + b"\n")
    here.drain(CHARTS * POINTS)


def _feed(here: Running) -> AbstractContextManager[None]:
    """A reading of each chart's home, four times a second, until the block ends."""

    def feed() -> None:
        now = datetime.now(UTC)
        rows = (_reading(_FIRST_HOME + n, now) for n in range(CHARTS))
        send(here.url, "\n".join(rows).encode() + b"\n")

    return meanwhile(feed, 1 / HZ)


@contextmanager
def _browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where it is measured

    found = next((p for n in ("chromium", "google-chrome") if (p := shutil.which(n))), None)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=_FLAGS)
        yield opened
        opened.close()


def first_visit(browser: Browser, url: str) -> dict[str, int]:
    """Bytes over the wire until the home page of a city is live, by kind of what was fetched.

    Headers are in it, and both faces; gzip is all that is taken. What the stream brings does not
    end and is not in it.

    Args:
        browser: whose cache is of no use: the visit has a context of its own.
        url: of the platform.
    """
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    wire.send("Network.setExtraHTTPHeaders", {"headers": {"Accept-Encoding": "gzip"}})
    kinds: dict[str, str] = {}
    sizes: dict[str, int] = {}

    def note(event: dict[str, Any]) -> None:
        kinds[event["requestId"]] = event["type"]

    def end(event: dict[str, Any]) -> None:
        sizes[event["requestId"]] = event["encodedDataLength"]

    wire.on("Network.responseReceived", note)
    wire.on("Network.loadingFinished", end)
    page.goto(url)
    page.locator("#energy canvas").wait_for()
    page.evaluate("Promise.all([...document.fonts].map((face) => face.load()))")
    context.close()
    found: dict[str, int] = {}
    for request, size in sizes.items():
        kind = kinds.get(request, "Other")
        found[kind] = found.get(kind, 0) + size
    return found


def _charts(browser: Browser, address: str) -> tuple[float, float]:
    """Processor time in percent of a core, and frames a second of a chart: medians of rounds."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.add_init_script(_COUNT)
    page.goto(address.replace("/dashboards/", "/dashboards/homes/"))
    for n in range(CHARTS):
        page.get_by_role("region", name=f"Chart {n}").locator("canvas").wait_for()
    page.wait_for_timeout(3_000)
    rounds = [_round(page) for _ in range(ROUNDS)]
    page.close()
    return statistics.median(r[0] for r in rounds), statistics.median(r[1] for r in rounds)


def _round(page: Page) -> tuple[float, float]:
    began, before = time.monotonic(), _processor()
    seen = page.evaluate("window.frames_seen")
    page.wait_for_timeout(SECONDS * 1000)
    took = time.monotonic() - began
    frames = page.evaluate("window.frames_seen") - seen
    return 100 * (_processor() - before) / took, frames / CHARTS / took


def _processor() -> float:
    """Seconds that the processes of this script's browsers have used so far."""
    parents, used = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue  # it has ended meanwhile
        fields = rest.split()
        pid = int(stat.parent.name)
        parents[pid] = int(fields[1])
        if "chrom" in name or "headless" in name:
            used[pid] = int(fields[11]) + int(fields[12])
    own = (pid for pid in used if _is_ours(pid, parents))
    return sum(used[pid] for pid in own) / os.sysconf("SC_CLK_TCK")


def _is_ours(pid: int, parents: dict[int, int]) -> bool:
    while pid and pid != os.getpid():
        pid = parents.get(pid, 0)
    return pid == os.getpid()
