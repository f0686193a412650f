"""`/v1/flow`: the project as a graph, its figures, one node in full, a batch on its way."""

from __future__ import annotations

import json
import statistics
import threading
import time
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import pytest
from tests.contract.conftest import reading

from penstock.layers import showing
from penstock.project import load
from penstock.serve.flow import Flow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.contract.conftest import Up


def get(platform: Up, path: str) -> Any:
    answer = platform.http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def figures(platform: Up, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The figures of live pages by node, as soon as they are as wanted."""
    connection = HTTPConnection("127.0.0.1", platform.port, timeout=20)
    connection.request("GET", "/v1/live?also=flow")
    answer, name = connection.getresponse(), ""
    deadline = time.monotonic() + 20
    try:
        while time.monotonic() < deadline:
            kind, _, text = answer.readline().decode().rstrip("\n").partition(": ")
            name = text if kind == "event" else name
            if kind == "data" and name == "flow":
                found = {node["id"]: node for node in json.loads(text)["nodes"]}
                if enough(found):
                    return found
    finally:
        connection.close()
    pytest.fail("the figures never came")


def test_the_graph_is_that_of_the_files(platform: Up) -> None:
    graph = get(platform, "/v1/flow")
    nodes = {node["id"]: node for node in graph["nodes"]}
    assert nodes["homes.readings"]["file"] == "homes/silver/readings.sql"
    assert nodes["homes.serve.echo"]["kind"] == "endpoint"
    wires = {(wire["from"], wire["to"]) for wire in graph["wires"]}
    assert ("homes.raw_sensors", "homes.readings") in wires
    assert {end for wire in wires for end in wire} <= nodes.keys()


def test_a_relation_in_full(platform: Up) -> None:
    platform.post(json.dumps(reading(home=6_100_001)).encode(), wait="true")
    silver = get(platform, "/v1/flow/homes/readings")
    assert silver["text"].startswith("/*\ndescription: Every good reading")
    assert silver["reads"] == ["homes.raw_sensors"]
    assert "homes.hourly_stats" in silver["readers"]
    assert {check["name"] for check in silver["checks"]} >= {"readings.range_voltage"}
    names = [column["name"] for column in silver["columns"]]
    assert names[:2] == ["ts", "home_id"]
    rows = [
        dict(zip(silver["sample"]["columns"], row, strict=True)) for row in silver["sample"]["rows"]
    ]
    assert "6100001" in {row["home_id"] for row in rows}, "the newest rows are shown"
    assert {row["temperature"] for row in rows if row["home_id"] == "6100001"} == {None}


def test_states_are_shown_as_what_they_come_to(platform: Up) -> None:
    now, body = datetime.now(UTC), b""
    for ahead, temperature in ((20, 21.5), (21, 20.5), (21, 22.5)):  # later than any other test's
        ts = (now + timedelta(hours=ahead)).isoformat()
        body += json.dumps(reading(6_100_002, temperature=temperature, ts=ts)).encode() + b"\n"
    assert platform.post(body, "application/x-ndjson", wait="true").status_code == 200
    gold = get(platform, "/v1/flow/homes/hourly_stats")
    rows = [
        dict(zip(gold["sample"]["columns"], row, strict=True)) for row in gold["sample"]["rows"]
    ]
    hours = [row["hour"] for row in rows]
    assert hours == sorted(hours, reverse=True)
    assert hours[0] > hours[1], rows
    assert [row["temperature_avg"] for row in rows[:2]] == ["21.5", "21.5"]


def test_a_way_to_a_sample_that_fails_leaves_it_to_the_next(platform: Up, project: Path) -> None:
    platform.post(json.dumps(reading(home=6_100_003)).encode(), wait="true")
    gone = {"name": "gone", "type": "Date", "kind": "ALIAS"}  # to order by it fails
    columns = [{"name": "home_id", "type": "UInt32", "kind": ""}, gone]
    relation = load(project).relation("homes", "home_latest")
    found = showing.sample(relation, columns, platform.front.client(), None)
    assert (bool(found["rows"]), found["newest"], found["note"]) == (True, False, "")
    gone["name"] = "home_id"
    columns[0]["name"] = "gone"
    found = showing.sample(relation, columns, platform.front.client(), None)
    assert found["rows"] == []
    assert "gone" in found["note"]


def test_a_file_that_was_deleted_says_so(platform: Up, project: Path) -> None:
    flow = Flow(load(project), platform.front.client(), {}, dict, dict)
    (path,) = [node.path for node in flow._graph.nodes if node.id == "homes.serve.steady"]
    moved = path.rename(path.with_suffix(".gone"))
    try:
        text = flow._full(flow._find("homes", "serve", "steady"))["text"]
    finally:
        moved.rename(path)
    assert "cannot be read" in text


def test_what_bronze_judges_by_is_a_column_but_no_value(platform: Up) -> None:
    bronze = get(platform, "/v1/flow/homes/raw_sensors")
    assert "doc" in {column["name"] for column in bronze["columns"]}
    assert "doc" not in bronze["sample"]["columns"]
    assert len(bronze["sample"]["rows"]) <= 5


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("sources/readings", "sources"),
        ("serve/homes_now", "serve"),
        ("alerts/overheating", "serve"),
    ],
)
def test_what_is_no_relation_has_its_file(platform: Up, path: str, stage: str) -> None:
    part = get(platform, f"/v1/flow/homes/{path}")
    assert part["stage"] == stage
    assert part["text"]
    assert part["sample"] is None
    assert part["columns"] == []


def test_a_name_that_is_none_says_what_there_is(platform: Up) -> None:
    answer = platform.http.get("/v1/flow/homes/nothing")
    assert answer.status_code == 404
    assert "homes.readings" in answer.json()["next"]
    assert platform.http.get("/v1/flow/homes/serve/passage").status_code == 404


def test_figures_come_to_who_asks_for_them(platform: Up) -> None:
    rows = platform.source()["landed"]
    body = b"".join(json.dumps(reading(home=n)).encode() + b"\n" for n in range(300))
    sender = threading.Timer(1.5, lambda: platform.post(body, "application/x-ndjson", wait="true"))
    sender.start()
    found = figures(platform, lambda nodes: (nodes["homes.sources.readings"]["rate"] or 0) > 0)
    sender.join()
    assert found["homes.sources.readings"]["rows"] >= rows
    assert found["homes.raw_sensors"]["rate"] == found["homes.sources.readings"]["rate"]
    assert found["homes.hourly_stats"]["rate"] > 0
    assert found["homes.readings"]["rows"] + found["homes.readings"]["dead"] >= rows
    assert found["homes.raw_sensors"]["bytes"] > 0
    assert found["homes.daily_peaks"]["rows"] is None, "a view stores nothing"


def test_an_endpoint_says_how_quick_it_is(platform: Up) -> None:
    assert platform.http.get("/v1/endpoints/homes/homes_now.json").status_code == 200

    def told(nodes: dict[str, Any]) -> bool:
        node = nodes["homes.serve.homes_now"]
        return node["ms"] is not None and node["rate"] is not None

    assert figures(platform, told)["homes.serve.homes_now"]["ms"] > 0


def test_others_are_not_sent_the_figures(platform: Up) -> None:
    connection = HTTPConnection("127.0.0.1", platform.port, timeout=10)
    connection.request("GET", "/v1/live")
    answer, seen, deadline = connection.getresponse(), set(), time.monotonic() + 10
    statuses = 0
    while statuses < 3 and time.monotonic() < deadline:
        kind, _, text = answer.readline().decode().rstrip("\n").partition(": ")
        if kind == "event":
            seen.add(text)
            statuses += text == "status"
    connection.close()
    assert {"status", "dead_letters", "needs"} <= seen
    assert "flow" not in seen


def test_a_batch_is_followed_through_its_times(platform: Up) -> None:
    answers: list[httpx.Response] = []
    path = f"{platform.url}/v1/flow/homes/sources/readings/passage"
    asking = threading.Thread(target=lambda: answers.append(httpx.get(path, timeout=40)))
    asking.start()
    while asking.is_alive():
        platform.post(json.dumps(reading()).encode(), wait="true")
    found = answers[0].json()
    passage = found["passage"]
    order = ["received_ms", "cut_ms", "inserted_ms", "counted_ms", "closed_ms"]
    times = [passage[name] for name in order]
    assert times == sorted(times)
    assert passage["rows"] >= 1
    assert 0 <= found["told_ms"] - passage["closed_ms"] < 5_000


def test_what_time_it_is_there_is_said_at_once(platform: Up) -> None:
    found = get(platform, "/v1/flow/homes/sources/readings/passage?wait=0")
    assert found["passage"] is None
    assert abs(found["told_ms"] - time.time() * 1000) < 5_000


def test_the_graph_is_quick(platform: Up) -> None:
    took = []
    for _ in range(20):
        began = time.perf_counter()
        assert len(get(platform, "/v1/flow")["nodes"]) > 30
        took.append(time.perf_counter() - began)
    assert statistics.median(took) < 0.05
