"""The pages at which a person works: dead letters, alerts, quality, sources, endpoints."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from .conftest import PENSTOCK, check_both_themes, looked_at, meters_up, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Route

ALERT = """/*
description: A meter draws more than its line bears.
every: 1s
key: meter_id
severity: critical
notify: [log, webhook]
message: Meter {meter_id} draws {most} kW
*/
SELECT meter_id, max(power) AS most FROM readings WHERE power > 100 GROUP BY meter_id
"""
CHECK = """/*
description: Nothing is fed back into the net.
*/
SELECT meter_id, power FROM readings WHERE power < 0
"""
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Desk:
    """`penstock up` of a copy of the meters, with an alert that fires and a check that fails."""

    url: str
    project: Path
    data: Path

    def command(self, *words: str) -> str:
        line = [*PENSTOCK, *words, "--data", str(self.data)]
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()

    def link(self) -> str:
        """To the page, so that it may act."""
        return self.command("open")


@pytest.fixture(scope="module")
def desk(free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    files = {
        "meters/alerts/overload.sql": ALERT,
        "meters/checks/fed_back.sql": CHECK,
        "penstock.toml": '[platform]\nchecks_every = "2s"\n',
    }
    with meters_up(tmp_path_factory.mktemp("desk"), free_port, files) as up:
        now = datetime.now(UTC).isoformat()
        up.post(
            {"meter_id": 7, "ts": now, "power": 140},
            {"meter_id": 8, "ts": now, "power": -2},
            *({"meter_id": 9, "ts": f"1990-01-0{n}T00:00:00Z", "power": n} for n in (1, 2)),
            {"meter_id": "none of ours", "ts": now},
        )
        yield Desk(up.url, up.project, up.data)


def test_an_endpoint_is_tried(browser: Browser, desk: Desk) -> None:
    with looked_at(browser, f"{desk.url}/endpoints") as page:
        page.get_by_role("link", name="meters/hourly").click()
        answer = page.get_by_role("region", name="The answer")
        expect(answer).to_contain_text("readings")
        expect(page.get_by_text("X-Cache: miss")).to_be_visible()
        page.get_by_label(re.compile("^meter_id")).fill("8")
        page.get_by_role("button", name="Ask").click()
        expect(page).to_have_url(re.compile(r"e=meters%2Fhourly&p\.meter_id=8"))
        expect(page.get_by_text(re.compile(r"curl '.*hourly\.json\?meter_id=8'"))).to_be_visible()
        page.get_by_role("button", name="SQL", exact=True).click()
        expect(page.get_by_text("CAST('8', 'UInt32')")).to_be_visible()
        page.reload()
        expect(page.get_by_label(re.compile("^meter_id"))).to_have_value("8")
        expect(page.get_by_text(re.compile("^X-Cache"))).to_be_visible()
        hit = page.get_by_text("X-Cache: hit")
        for _ in range(5):  # what lands meanwhile makes it a miss
            page.get_by_role("button", name="Ask", exact=True).click()
            expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
            if hit.is_visible():
                break
        expect(hit).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="csv of hourly").click()
        assert "readings" in download.value.path().read_text()
        expect(page.get_by_text(re.compile(r"requests, \d+.% from memory, p50"))).to_be_visible()


def test_what_is_off_with_an_answer_is_told(browser: Browser, desk: Desk) -> None:
    with sized(browser, f"{desk.url}/endpoints?e=meters/hourly&p.hours=x", 1440, "dark") as page:
        expect(page.get_by_text("Bad parameter")).to_be_visible()
        page.goto(f"{desk.url}/endpoints?e=meters/gone")
        expect(page.get_by_text("There is no endpoint meters/gone")).to_be_visible()


def test_a_check_that_fails_shows_its_rows(browser: Browser, desk: Desk) -> None:
    with looked_at(browser, f"{desk.url}/quality") as page:
        expect(page.get_by_role("status").filter(has_text="1 check fails")).to_be_visible()
        rows = page.get_by_role("region", name="Rows that fail fed_back")
        expect(rows.get_by_role("row")).to_have_count(2)
        expect(rows).to_contain_text("-2")


def test_a_source_says_how_far_it_is_and_how_to_send(browser: Browser, desk: Desk) -> None:
    with looked_at(browser, f"{desk.url}/sources") as page:
        source = page.get_by_role("region", name="meters/readings")
        expect(source).to_contain_text("all landed, up to 1:5")
        source.get_by_text("Send one row").click()
        expect(source.locator("pre").first).to_be_visible()
        line = source.locator("pre").first.inner_text()
        sent = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
        assert json.loads(sent.stdout)["stored"] == 1
        expect(source).to_contain_text("all landed, up to 1:6")
        source.get_by_role("link", name="3 dead letters").click()
        expect(page).to_have_url(re.compile(r"/dead-letters\?source=meters%2Freadings"))


def test_an_alert_fires_with_its_evidence_and_is_tested(browser: Browser, desk: Desk) -> None:
    with looked_at(browser, f"{desk.url}/alerts") as page:
        page.get_by_role("link", name="Meter 7 draws 140 kW").click()
        expect(page.get_by_role("region", name="Evidence of the incident")).to_contain_text("140")
        expect(page).to_have_url(re.compile(r"incident=\d+"))
        expect(page.get_by_text("webhook (none is set)")).to_be_visible()
        page.get_by_role("button", name="Test overload").click()
        command = f"penstock alerts test meters/overload --send --data {desk.data}"
        expect(page.get_by_text(command)).to_be_visible()
        page.goto(desk.link())
        expect(page.get_by_text("You may act from this page")).to_be_visible()
        assert "once" not in page.url
        page.goto(f"{desk.url}/alerts")
        page.get_by_role("button", name="Test overload").click()
        expect(page.get_by_text("A test was sent to log.")).to_be_visible()
        expect(page.get_by_text("webhook was not told: there is no webhook")).to_be_visible()


@pytest.mark.parametrize("width", [1440, 390])
def test_axe_is_content_with_them(browser: Browser, desk: Desk, width: int) -> None:
    pages = {
        "dead-letters?reason=ts_range": "1990-01-02",
        "alerts": "Meter 7 draws",
        "quality": "fed_back",
        "sources": "all landed",
        "endpoints?e=meters/hourly": "X-Cache",
    }
    with sized(browser, desk.url, width, "light") as page:
        for path, word in pages.items():
            page.goto(f"{desk.url}/{path}")
            expect(page.get_by_role("main")).to_contain_text(word)
            check_both_themes(page, f"{path.partition('?')[0]}-{width}")


def test_dead_letters_are_mended_and_replayed(browser: Browser, desk: Desk) -> None:
    """The whole way: why, where, saved, applied, how many would be good, replayed, none left."""
    with looked_at(browser, f"{desk.url}/dead-letters") as page:
        page.get_by_role("link", name=re.compile("ts_range")).click()
        expect(page).to_have_url(re.compile("reason=ts_range"))
        page.locator("summary", has_text="1990-01-01").click()
        expect(page.locator("details[open] pre mark")).to_have_text('"ts": "1990-01-01T00:00:00Z"')
        expect(page.get_by_text("None would be good now")).to_be_visible()
        expect(page.get_by_text("meters/bronze/raw_meters.sql:18")).to_be_visible()
        _mend(page, desk)
        expect(page.get_by_text("2 would be good now")).to_be_visible()
        replay = page.get_by_role("button", name="Replay 2")
        expect(replay).to_be_disabled()
        expect(
            page.get_by_text("penstock dead-letters replay meters/readings --reason ts_range")
        ).to_be_visible()
        page.goto(desk.link())
        expect(page.get_by_text("You may act from this page")).to_be_visible()
        page.goto(f"{desk.url}/dead-letters?source=meters%2Freadings&reason=ts_range")
        replay.click()
        expect(page.get_by_text(re.compile("The last replay landed 2, 0 stayed"))).to_be_visible()
        groups = page.locator("#dead-letters")
        expect(groups).not_to_contain_text("ts_range")
        expect(groups).to_contain_text("meter_id does not fit")
        expect(page.get_by_text(re.compile(r"^= 0$")).first).to_be_visible()


def test_a_slow_answer_is_waited_for(browser: Browser, desk: Desk) -> None:
    """Questions that pile up would take each other's connections, and no answer be the last."""
    asked: list[Route] = []
    with looked_at(browser, f"{desk.url}/") as page:
        page.clock.install()
        page.route("**/v1/dead-letters/groups", lambda route: asked.append(route))  # noqa: PLW0108
        page.goto(f"{desk.url}/dead-letters")
        # The first status asks once more: what is applied may judge the same records otherwise.
        expect(page.get_by_text(re.compile(r"^= \d")).first).to_be_visible()
        page.clock.run_for(30_000)
        assert len(asked) <= 2, "one is open"
        with page.expect_request("**/v1/dead-letters/groups"):
            asked[-1].fulfill(json={"groups": []})
            expect(page.get_by_text("None: every row received fits")).to_be_visible()
            page.clock.run_for(6_000)
        assert len(asked) <= 3, "one for all that time"


def _mend(page: Page, desk: Desk) -> None:
    file = desk.project / "meters" / "bronze" / "raw_meters.sql"
    file.write_text(file.read_text().replace("INTERVAL 20 YEAR", "INTERVAL 60 YEAR"))
    expect(page.get_by_text("Saved, not in force yet")).to_be_visible()
    desk.command("apply", "--yes", "--project", str(desk.project))
