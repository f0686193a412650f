"""Pictures of every page of a running Penstock, at two widths, light and dark, into docs/screens/.

Start `penstock demo`, wait until its history is there, and give this its address.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parents[1] / "docs" / "screens"
SIZES = {"1440": (1440, 900), "390": (390, 844)}
PAGES = {
    "flow": "/",
    "flow-node": "/?node=homes.readings",
    "city": "/city",
    "city-home": "/city?home=7",
    "sql": "/sql",
    "dashboards": "/dashboards",
    "dashboards-city": "/dashboards/homes/city",
    "dashboards-home": "/dashboards/homes/home",
    "sources": "/sources",
    "quality": "/quality",
    "dead-letters": "/dead-letters",
    "endpoints": "/endpoints",
    "alerts": "/alerts",
}
SETTLED_MS = 4_000  # the first frames of the stream, and what is drawn of them


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
                page = context.new_page()
                for name, path in PAGES.items():
                    page.goto(url + path)
                    page.wait_for_timeout(SETTLED_MS)
                    page.screenshot(path=FOLDER / f"{name}-{size}-{scheme}.png")
                context.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
