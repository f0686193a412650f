"""`penstock.Client` and `AnalyticsService` against a running platform."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from tests.contract.asking import insert

from penstock import AnalyticsService, Client
from penstock.analytics import EnergySummary
from penstock.errors import BadInputError, EngineDownError, EngineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.contract.conftest import Up

STREAM = "/v1/ingest/telemetry/telemetry_stream"


@pytest.fixture
def analytics(platform: Up) -> Iterator[AnalyticsService]:
    with AnalyticsService(platform.url) as service:
        yield service


def send(platform: Up, user: str, *measured: tuple[datetime, float]) -> None:
    """Measurements of a user's device, which can be queried when this returns."""
    rows = [
        {"device_id": f"{user}-1", "user_id": user, "energy_watts": watts,
         "timestamp": at.isoformat(timespec="milliseconds")}
        for at, watts in measured
    ]  # fmt: skip
    answer = platform.http.post(STREAM, params={"wait": "true"}, json=rows)
    assert answer.status_code == 200, answer.text
    assert answer.json()["dead"] == 0, answer.text


def test_a_summary_is_over_half_open_ranges_in_utc(
    platform: Up, analytics: AnalyticsService
) -> None:
    now = datetime.now(UTC)
    noon = (now - timedelta(days=3)).replace(hour=12, minute=0, second=0, microsecond=0)
    minute = timedelta(minutes=1)
    send(
        platform, "ann: «a/b»", (now, 100.25), (now - timedelta(minutes=30), 300),
        (now - timedelta(hours=5), 800), (noon - timedelta(milliseconds=1), 5), (noon, 10),
        (noon + minute - timedelta(milliseconds=1), 30), (noon + minute, 1000),
    )  # fmt: skip
    user = "ann: «a/b»"
    assert analytics.energy_summary(user) == EnergySummary(user, 200.125, 300.0, 2)
    assert analytics.energy_summary(user, "last_day") == EnergySummary(user, 400.083, 800.0, 3)
    assert analytics.energy_summary(user, "7d").count == 7
    explicit = analytics.energy_summary(user, (noon, noon + minute))
    assert explicit == EnergySummary(user, 20.0, 30.0, 2)
    elsewhere = timezone(timedelta(hours=-7))
    same = analytics.energy_summary(user, (noon.astimezone(elsewhere), noon + minute))
    assert same == explicit
    assert analytics.energy_summary(user, (noon, noon)).count == 0


def test_a_user_that_nobody_knows_is_an_empty_result(analytics: AnalyticsService) -> None:
    assert analytics.energy_summary("nobody") == EnergySummary("nobody", None, None, 0)
    assert analytics.user_now("nobody") == []
    assert analytics.device_now("nobody") == []


def test_what_users_and_devices_draw_now(platform: Up, analytics: AnalyticsService) -> None:
    now = datetime.now(UTC)
    start = now.replace(second=0, microsecond=0)
    before = start - timedelta(minutes=2)
    send(
        platform,
        "bob",
        (before, 90_000_000),
        (before + timedelta(seconds=59), 90_000_002),
        (start, 7),
    )
    first, second = analytics.user_now("bob")
    assert (first.start, first.average, first.maximum, first.count) == (
        before, 90_000_001.0, 90_000_002.0, 2,
    )  # fmt: skip
    assert (second.start, second.count) == (start, 1)
    assert analytics.device_now("bob-1") == [first, second]
    (top,) = analytics.top_devices(most=1)
    assert (top.device_id, top.maximum, top.count) == ("bob-1", 90_000_002.0, 3)


@pytest.mark.parametrize("span", ["", "yesterday", "a/b", "2026-11-21T13:00:00Z", "1d/2d/3d"])
def test_what_is_no_range_is_said(analytics: AnalyticsService, span: str) -> None:
    with pytest.raises(BadInputError) as refused:
        analytics.energy_summary("ann", span)  # type: ignore[arg-type]
    assert refused.value.status == 400
    assert refused.value.next_step


def test_a_time_without_a_zone_is_refused(analytics: AnalyticsService) -> None:
    naive = datetime(2026, 11, 21, 12)  # noqa: DTZ001
    with pytest.raises(UsageError, match="no time zone"):
        analytics.energy_summary("ann", (naive, naive))


def test_a_client_reads_any_endpoint_in_any_form(platform: Up) -> None:
    home = insert(platform)
    with Client(f"{platform.url}/") as client:
        found = {int(row["home_id"]) for row in client.rows("readings_sent")}
        assert home in found
        (row,) = client.rows("homes/echo", must="é&=?#/ 1", n=3)
        assert (row["must"], row["n"]) == ("é&=?#/ 1", 3)
        assert json.loads(client.read("homes/echo", "json", must="x"))["rows"] == 1
        assert client.read("homes/echo", "parquet", must="x")[:4] == b"PAR1"


def test_refusals_are_errors_in_the_platform_s_own_words(platform: Up) -> None:
    insert(platform)
    with Client(platform.url) as client:
        with pytest.raises(BadInputError, match="echo needs must") as missing:
            client.rows("homes/echo")
        assert missing.value.title == "Missing parameter"
        assert missing.value.next_step == "add ?must=…"
        with pytest.raises(BadInputError, match="no parameter 'mist'"):
            client.rows("homes/echo", must=1, mist=2)
        with pytest.raises(UsageError, match="nothing_such"):
            client.rows("homes/nothing_such")
        with pytest.raises(UsageError, match="format"):
            client.read("homes/echo", "xml")
        with pytest.raises(EngineError, match="too many homes") as failed:
            client.rows("homes/broken")
        assert failed.value.code == 395


def test_a_platform_that_is_not_there_is_said(free_port: Callable[[], int]) -> None:
    client = Client(f"http://127.0.0.1:{free_port()}")
    with client, pytest.raises(EngineDownError, match="no platform answers") as away:
        client.rows("homes/echo")
    assert "penstock up" in away.value.next_step


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost", "http://"])
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(UsageError, match="address"):
        Client(url)
