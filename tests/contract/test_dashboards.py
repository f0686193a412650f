"""Dashboards over HTTP: what the page is told, what panels answer, how tiles name them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.contract.conftest import Up, reading
from tests.contract.test_live import Viewer

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME = 6_200_001


@pytest.fixture(scope="module")
def dashboards(platform: Up) -> list[dict[str, Any]]:
    rows = "\n".join(json.dumps(reading(HOME, temperature=21.5, vibration=0.4)) for _ in range(3))
    sent = platform.post(rows.encode(), "application/x-ndjson", wait="true")
    assert sent.status_code == 200, sent.text
    return list(platform.http.get("/v1/dashboards").json()["dashboards"])


@pytest.fixture
def view() -> Iterator[list[Viewer]]:
    opened: list[Viewer] = []
    yield opened
    for viewer in opened:
        viewer.close()


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for row in dashboard["rows"] for panel in row["panels"]]


def test_the_page_is_told_of_each_dashboard(dashboards: list[dict[str, Any]]) -> None:
    city, home = dashboards
    assert (city["domain"], city["name"], city["start"], city["refresh_s"]) == (
        "homes", "city", "now-1h", 5.0,
    )  # fmt: skip
    kinds = {panel["kind"] for dashboard in dashboards for panel in panels(dashboard)}
    assert kinds == {"line", "area", "bar", "table", "stat", "gauge", "heatmap", "pie"}
    (variable,) = home["variables"]
    assert (variable["kind"], variable["default"], variable["tile"]) == (
        "query", "7", "homes/home/var-home",
    )  # fmt: skip
    hours = next(panel for panel in panels(home) if panel["name"] == "energy_by_the_hour")
    assert (hours["tile"], hours["params"]) == (
        "homes/hourly_stats", {"home_id": "$home", "hours": "48"},
    )  # fmt: skip


def test_every_panel_answers(platform: Up, dashboards: list[dict[str, Any]]) -> None:
    for dashboard in dashboards:
        for panel in panels(dashboard):
            given = {
                name: {"$home": str(HOME), "$region": ""}.get(value, value)
                for name, value in panel["params"].items()
            }
            span = {"from": "now-15m", "to": "now"}
            given |= {name: span[name] for name in panel["spans"] if name in span}
            own = panel["tile"].count("/") == 2
            path = f"/v1/{'dashboards' if own else 'endpoints'}/{panel['tile']}.columns"
            answer = platform.http.get(path, params=given)
            assert answer.status_code == 200, f"{panel['name']}: {answer.text}"
            columns = answer.json()
            drawn = {panel["time"], panel["by"], *panel["values"]} - {""}
            assert drawn <= set(columns), panel["name"]


def test_times_of_the_page_carry_their_zone(platform: Up) -> None:
    asked = {"home": str(HOME), "from": "now-15m"}
    path = "/v1/dashboards/homes/home/newest_readings"
    assert platform.http.get(f"{path}.columns", params=asked).json()["ts"][0].endswith("Z")
    assert " " in platform.http.get(f"{path}.json", params=asked).json()["data"][0]["ts"]


def test_a_span_bounds_what_is_read(platform: Up) -> None:
    path = "/v1/dashboards/homes/home/newest_readings.columns"
    now = int(time.time() * 1000)
    for start, end, rows in (
        ("now-15m", "now", 3),
        (str(now - 3_600_000), str(now - 1_800_000), 0),
    ):
        asked = {"home": str(HOME), "from": start, "to": end}
        assert len(platform.http.get(path, params=asked).json()["ts"]) == rows


@pytest.mark.parametrize(
    ("path", "params", "status", "words"),
    [
        ("homes/home/powr.json", {"home": "7"}, 404, "did you mean 'power'"),
        ("homes/hom/power.json", {"home": "7"}, 404, "did you mean 'home'"),
        ("homes/home/power.json", {}, 400, "power needs home"),
        ("homes/home/power.json", {"home": "7", "from": "lately"}, 400, "is no time"),
        ("homes/home/power.json", {"home": "-1"}, 400, "no UInt32"),
    ],
)
def test_what_is_off_is_said(
    platform: Up, path: str, params: dict[str, str], status: int, words: str
) -> None:
    answer = platform.http.get(f"/v1/dashboards/{path}", params=params)
    assert answer.status_code == status, answer.text
    assert words in answer.text


@pytest.mark.parametrize(
    ("params", "homes"),
    [
        ({}, [1, 2, 3, 4]),
        ({"home": "", "name": "", "names": "", "homes": ""}, [1, 2, 3, 4]),
        ({"home": "2"}, [2]),
        ({"name": "home 3"}, [3]),
        ({"names": "home 4"}, [4]),
        ({"names": "['home 4','home 1']"}, [1, 4]),
        ({"names": "o'hara \\"}, []),
        ({"homes": "1"}, [1]),
        ({"homes": "[1,3]"}, [1, 3]),
        ({"name": "None"}, []),
    ],
    ids=str,
)
def test_all_and_one_may_be_chosen(platform: Up, params: dict[str, str], homes: list[int]) -> None:
    answer = platform.http.get("/v1/endpoints/homes/chosen.json", params=params)
    assert answer.status_code == 200, answer.text
    assert [int(home) for home in answer.json()["data"][0]["homes"]] == homes


def test_a_panel_is_a_tile(platform: Up, view: list[Viewer], dashboards: object) -> None:
    assert dashboards
    tile = f"homes/home/temperature?home={HOME}&from=now-15m&to=now#1s"
    viewer = Viewer(platform.port, (tile, "homes/home/var-home", "homes/home/nothing"))
    view.append(viewer)
    viewer.wait(lambda v: v.of("tile", tile) and v.of("tile", "homes/home/var-home"))
    columns = viewer.of("tile", tile)[0].data["columns"]
    assert columns["temperature"] == [21.5] * len(columns["time"])
    assert HOME in viewer.of("tile", "homes/home/var-home")[0].data["columns"]["home_id"]
    viewer.wait(lambda v: v.of("problem"))
    assert viewer.of("problem")[0].data["status"] == 404


def test_openapi_has_the_document(platform: Up) -> None:
    described = platform.http.get("/openapi.json").json()
    assert "/v1/dashboards" in described["paths"]
    panel = described["components"]["schemas"]["Dashboards"]
    assert panel["required"] == ["dashboards"]
