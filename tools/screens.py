"""Pictures of every page of a running Penstock, at two widths, light and dark, into docs/screens/.

Start `penstock demo`, wait until its history is there, and give this its address.
"""

from __future__ import annotations

import base64
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = Path(__file__).parents[1] / "docs" / "screens"
SIZES = {"1440": (1440, 900), "390": (390, 844)}
SQL = """SELECT toStartOfHour(ts) AS hour, region, round(avg(temperature), 2) AS degrees
FROM readings
WHERE ts > now() - INTERVAL 3 DAY AND region IN ('north', 'east', 'south', 'west')
GROUP BY hour, region
ORDER BY hour"""
PAGES = {
    "flow": "/",
    "flow-node": "/?node=homes.readings",
    "city": "/city",
    "city-home": "/city?home=7",
    "sql": f"/sql#db=homes&view=chart&q={quote(SQL)}",
    "dashboards": "/dashboards",
    "dashboards-city": "/dashboards/homes/city",
    "dashboards-home": "/dashboards/homes/home",
    "sources": "/sources",
    "quality": "/quality",
    "dead-letters": "/dead-letters",
    "endpoints": "/endpoints",
    "endpoints-tried": "/endpoints?e=homes/energy_by_region",
    "alerts": "/alerts",
}
SETTLED_MS = 4_000  # the first frames of the stream, and what is drawn of them
QUALITY = 82  # of WebP: letters stay sharp, and all pictures together small enough for a clone


def main(url: str) -> None:
    """Take them all.

    Args:
        url: of the Penstock.
    """
    FOLDER.mkdir(exist_ok=True)
    program = next(p for p in map(shutil.which, ("chromium", "google-chrome")) if p)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            for size, (width, height) in SIZES.items():
                viewport = {"width": width, "height": height}
                context = browser.new_context(viewport=viewport, color_scheme=scheme)
                for name, path in PAGES.items():
                    page = context.new_page()
                    page.goto(url + path)
                    page.wait_for_timeout(SETTLED_MS)
                    _take(page, FOLDER / f"{name}-{size}-{scheme}.webp")
                    page.close()
                context.close()
        browser.close()


def _take(page: Page, file: Path) -> None:
    """What is on the screen, as WebP, which playwright's own pictures cannot be."""
    wire = page.context.new_cdp_session(page)
    taken = wire.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    file.write_bytes(base64.b64decode(taken["data"]))


if __name__ == "__main__":
    main(sys.argv[1])
