"""A mistake in a project's files is shown on the page until it is hidden or mended."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from .conftest import PENSTOCK, check_axe, penstock, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


@pytest.fixture
def running(free_port: Callable[[], int], tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A city of one's own that runs: its address and its folder."""
    subprocess.run([*PENSTOCK, "new", "city", "--from", "homes"], cwd=tmp_path, check=True)
    words = ["up", "--project", str(tmp_path / "city")]
    with penstock(*words, port=free_port(), engine_port=free_port()) as url:
        yield url, tmp_path / "city"


def test_a_mistake_in_a_file_is_shown_until_it_is_mended(
    running: tuple[str, Path], browser: Browser
) -> None:
    url, folder = running
    file = folder / "homes" / "serve" / "homes_now.sql"
    sound = file.read_text()
    with sized(browser, url, 390, "light") as page:
        said = page.locator("#files").get_by_text(re.compile(r"homes/serve/homes_now\.sql:\d+"))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        file.write_text(sound.replace("home_latest", "home_latst"))
        expect(said).to_be_visible(timeout=40_000)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            check_axe(page, f"files-390-{scheme}")
        page.get_by_role("button", name="Hide").click()
        expect(said).to_be_hidden()
        file.write_text(sound.replace("home_latest", "home_ltest"))  # another mistake shows again
        expect(said).to_be_visible(timeout=40_000)
        file.write_text(sound)
        expect(said).to_be_hidden(timeout=40_000)
