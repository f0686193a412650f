"""The SQL page: typed, completed, run, drawn, cancelled, kept, restored, copied."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from .conftest import Meters, check_both_themes, looked_at, meters_up, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

SLOW = "SELECT count() FROM numbers(100000000) WHERE NOT ignore(sipHash128(repeat(toString(number), 20)))"  # noqa: E501
pytestmark = pytest.mark.slow


def at(meters: Meters, sql: str) -> str:
    return f"{meters.url}/sql#{urllib.parse.urlencode({'q': sql, 'db': 'meters'})}"


@pytest.fixture(scope="module")
def meters(
    free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Meters]:
    with meters_up(tmp_path_factory.mktemp("sql"), free_port) as up:
        now = datetime.now(UTC).isoformat()
        up.post(*({"meter_id": n % 3, "ts": now, "power": n} for n in range(30)))
        yield up


@pytest.fixture
def page(browser: Browser, meters: Meters) -> Iterator[Page]:
    with looked_at(browser, f"{meters.url}/sql") as opened:
        opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
        yield opened


def write(page: Page, sql: str) -> None:
    editor = page.get_by_role("textbox", name="SQL statement")
    expect(editor).to_have_attribute("contenteditable", "true")
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(sql)


def column(page: Page, number: int) -> list[str]:
    cells = page.get_by_role("region", name="Rows").locator(f"tbody tr td:nth-child({number + 1})")
    expect(cells.first).to_be_visible()
    return cells.all_inner_texts()


def test_a_statement_is_completed_run_and_restored_by_its_address(page: Page) -> None:
    write(page, "SELECT meter_id, count() AS n FROM ")
    expect(page.locator("#side-panel summary", has_text="readings")).to_be_visible()
    page.keyboard.type("rea")
    option = page.get_by_role("option").filter(has_text="readings").first
    expect(option).to_contain_text("silver")
    page.wait_for_timeout(200)  # the editor takes no key for a choice that has only just appeared
    page.keyboard.press("Enter")
    page.keyboard.insert_text(" GROUP BY meter_id ORDER BY meter_id WITH FILL FROM 0 TO 5")
    page.keyboard.press("Control+Enter")
    assert column(page, 1) == ["0", "1", "2", "3", "4"]
    assert column(page, 2) == ["10", "10", "10", "0", "0"]
    page.get_by_role("tab", name="Chart").click()
    expect(page.get_by_role("application", name=re.compile("^n"))).to_be_visible()
    page.wait_for_url(re.compile("view=chart"))
    page.reload()
    expect(page.get_by_role("application", name=re.compile("^n"))).to_be_visible()
    page.get_by_role("tab", name="Explain").click()
    expect(page.get_by_role("region", name="What is read")).to_contain_text("meters.readings")
    expect(page.get_by_role("region", name="Plan")).to_contain_text("Read from MergeTree")


def test_values_are_shown_as_they_are(page: Page) -> None:
    write(
        page,
        "SELECT toUInt64(18446744073709551615) AS a, NULL AS b, '' AS c, nan AS d, "
        "[toUInt64(1), 2] AS e, map('k', (1, 'x')) AS f, toDecimal64(1.1, 4) AS g, 'NULL' AS h, "
        "'<img src=x onerror=alert(1)>' AS i",
    )
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("cell", name="18446744073709551615")).to_be_visible()
    shown = [column(page, number)[0] for number in range(1, 10)]
    assert shown == ["18446744073709551615", "NULL", "empty", "nan", "[1, 2]", "{'k': (1, 'x')}",
                     "1.1000", "NULL", "<img src=x onerror=alert(1)>"]  # fmt: skip
    cells = page.get_by_role("region", name="Rows").locator("tbody td")
    assert "void" in str(cells.nth(1).get_attribute("class"))
    assert "void" not in str(cells.nth(7).get_attribute("class"))
    page.get_by_role("button", name="1", exact=True).click()
    expect(page.get_by_role("dialog", name="Row 1")).to_contain_text("UInt64")
    page.keyboard.press("Escape")


def test_ten_thousand_rows_are_said_to_be_cut_and_stay_few_on_screen(page: Page) -> None:
    write(page, "SELECT number AS n, toString(number) AS s FROM numbers(12345)")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Cut at 10,000 rows")).to_be_visible()
    rows = page.get_by_role("region", name="Rows")
    rows.evaluate("box => box.scrollTop = box.scrollHeight")
    expect(rows.get_by_role("cell", name="9999").first).to_be_visible()
    assert rows.locator("tbody tr").count() < 60
    with page.expect_download() as download:
        page.get_by_text("Download").click()
        page.get_by_role("button", name="CSV .csv").click()
    file = download.value.path()
    assert download.value.suggested_filename == "penstock.csv"
    assert len(file.read_text().splitlines()) == 10_001


def test_it_is_cancelled_by_a_key_and_ends_in_the_engine(browser: Browser, meters: Meters) -> None:
    with sized(browser, f"{meters.url}/sql", 1440, "dark") as page:  # its refusal is on the console
        write(page, SLOW)
        page.keyboard.press("Control+Enter")
        bar = page.get_by_role("progressbar", name="Rows read")
        expect(bar).to_have_attribute("aria-valuetext", re.compile("of 100.M rows"))
        page.keyboard.press("Escape")
        expect(page.get_by_text("nothing of it runs any more")).to_be_visible()
        left = (
            "SELECT count() FROM system.processes WHERE query LIKE '%sipHash128%' "
            "AND query NOT LIKE '%system.processes%'"
        )
        with urllib.request.urlopen(meters.engine, left.encode(), timeout=20) as answer:
            assert answer.read() == b"0\n"


def test_a_mistake_is_marked_in_its_line(browser: Browser, meters: Meters) -> None:
    sql = "SELECT meter_id,\n  wat\nFROM readings"
    with sized(browser, at(meters, sql), 1440, "light") as page:
        expect(page.get_by_text("Line 2, column 3:")).to_be_visible()
        expect(page.locator(".cm-lintRange-error")).to_have_text("wat")


def test_a_statement_is_kept_with_its_chart_and_forgotten(page: Page) -> None:
    write(page, "SELECT meter_id, max(power) AS most FROM readings GROUP BY meter_id")
    page.keyboard.press("Control+Enter")
    column(page, 1)
    page.get_by_role("tab", name="Chart").click()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("textbox", name="Name").fill("most by meter")
    page.keyboard.press("Enter")
    page.reload()
    page.get_by_role("tab", name="Saved").click()
    write(page, "SELECT 1")
    page.get_by_role("button", name=re.compile("^most by meter")).click()
    expect(page.get_by_role("application", name=re.compile("^most"))).to_be_visible()
    page.get_by_role("button", name="Forget most by meter").click()
    expect(page.get_by_text("Nothing is kept yet")).to_be_visible()


def test_what_is_copied_gives_the_same_rows(page: Page, meters: Meters) -> None:
    sql = "SELECT meter_id, 'it''s $HOME \\\\ \"é\"' AS s -- a remark\nFROM readings WHERE meter_id = {n:UInt8}\nLIMIT 2;"  # noqa: E501
    write(page, sql)
    page.get_by_role("textbox", name="n, UInt8").fill("2")
    page.keyboard.press("Control+Enter")
    said = column(page, 2)[0]
    assert (column(page, 1), said) == (["2", "2"], 'it\'s $HOME \\ "é"')

    def copied(name: str) -> str:
        page.get_by_text("Copy as").click()
        page.get_by_role("button", name=re.compile(f"^{name}")).click()
        expect(page.get_by_text(f"{name} copied")).to_be_visible()
        return str(page.evaluate("navigator.clipboard.readText()"))

    shell = subprocess.run(["sh", "-c", copied("curl")], capture_output=True, text=True, check=True)
    escaped = said.replace('"', '""')
    assert shell.stdout == f'"meter_id","s"\n2,"{escaped}"\n2,"{escaped}"\n'
    python = subprocess.run(
        [sys.executable, "-c", copied("Python")], capture_output=True, text=True, check=True
    )
    assert python.stdout.splitlines() == ["('meter_id', 's')", *[str((2, said))] * 2]
    text = urllib.parse.urlencode({"database": "meters", "param_n": "2", "query": copied("SQL")})
    with urllib.request.urlopen(f"{meters.engine}?{text}", timeout=10) as answer:
        assert answer.read().decode().count("2\t") == 2


@pytest.mark.parametrize("width", [1440, 390])
def test_axe_is_content_with_it(browser: Browser, meters: Meters, width: int) -> None:
    sql = "SELECT meter_id, ts, power, NULL AS nothing, '' AS blank FROM readings"
    with sized(browser, at(meters, sql), width, "light") as page:
        expect(page.get_by_role("region", name="Rows")).to_be_visible()
        check_both_themes(page, f"sql-{width}")
        for view, role in (("Chart", "application"), ("Explain", "table")):
            page.get_by_role("tab", name=view).click()
            expect(page.get_by_role("tabpanel", name=view).get_by_role(role)).to_be_visible()
            check_both_themes(page, f"sql-{view.lower()}-{width}")
