"""A rehearsal says what was said then: seven simulated days, with rows that come late."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.flow.faults import EXAMPLES, MEMORY, free_port

from penstock.alerts.rehearsal import Course, rehearse
from penstock.engine.client import Client
from penstock.engine.process import EngineProcess
from penstock.layers.apply import apply
from penstock.project import load
from penstock.store.database import Store
from penstock.store.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.project.objects import Alert, Project
    from penstock.store.incidents import Incident

EVERY = timedelta(minutes=30)
MINUTE = timedelta(minutes=1)
DEVICES = ("steady", "surges", "late", "slow")
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=7)
# Hours of the simulated week.
SURGES = ((30, 31), (100.5, 102), (160, 160.75))
KEPT_BACK = (75, 76)  # of `late`: sent at hour 78, ten times as high
pytestmark = pytest.mark.slow


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def within(moment: datetime, spans: tuple[tuple[float, float], ...]) -> bool:
    return any(at(first) <= moment < at(last) for first, last in spans)


def measured(device: str, moment: datetime) -> tuple[float, datetime]:
    """Watts of a device, and when they come."""
    number, minutes = DEVICES.index(device), int((moment - START) / MINUTE)
    watts = 200 + 50 * number + 20 * math.sin(minutes / 230) + (minutes * 7919 % 17)
    comes = moment + timedelta(seconds=2)
    if device == "surges" and within(moment, SURGES):
        watts *= 3
    if device == "late" and within(moment, (KEPT_BACK,)):
        watts, comes = watts * 10, at(KEPT_BACK[1] + 2)
    if device == "slow" and minutes % 60 == 7:
        watts, comes = (
            watts * 100,
            moment + 3 * MINUTE,
        )  # it comes into the window that is looked at
    return watts, comes


class Week:
    """An engine with telemetry, into which a week comes bit by bit."""

    def __init__(self, project: Project, client: Client) -> None:
        self.project, self.client = project, client
        minutes = int(timedelta(days=7) / MINUTE)
        rows = [
            (device, moment, *measured(device, moment))
            for moment in (START + n * MINUTE for n in range(minutes))
            for device in DEVICES
        ]
        self.rows = sorted(rows, key=lambda row: row[3], reverse=True)

    def come(self, until: datetime) -> None:
        """What has come by a time is landed."""
        values = []
        while self.rows and self.rows[-1][3] <= until:
            device, moment, watts, comes = self.rows.pop()
            values.append(
                f"('{device}', 'ann', {watts:.3f}, {text(moment)}, 's', 1, {text(comes)})"
            )
        names = "device_id, user_id, energy_watts, timestamp, _source, _batch, _ingested_at"
        sql = f"INSERT INTO telemetry_data ({names}) VALUES {', '.join(values)}"
        self.client.execute(sql, database="telemetry")


def text(moment: datetime) -> str:
    return f"'{moment:%Y-%m-%d %H:%M:%S}'"


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def said(incidents: list[Incident]) -> list[tuple[str, int, int | None, int | None, str]]:
    return [(i.key, i.since_ms, i.fired_ms, i.resolved_ms, i.message) for i in incidents]


@pytest.fixture
def week(tmp_path: Path) -> Iterator[Week]:
    shutil.copytree(EXAMPLES / "telemetry", tmp_path / "project" / "telemetry")
    (tmp_path / "project" / "penstock.toml").write_text('name = "week"\ntitle = "Week"\n')
    project = load(tmp_path / "project")
    engine = EngineProcess(tmp_path / "data", free_port(), MEMORY)
    engine.start()
    store = Store.open(tmp_path / "data" / "penstock.db")
    client = Client(engine.address)
    try:
        apply(project, client, Journal(store, tmp_path / "data"))
        yield Week(project, client)
    finally:
        client.close()
        store.close()
        engine.stop()


def test_a_rehearsal_agrees_with_what_was_seen_live(week: Week) -> None:
    (alert,) = (a for a in week.project.alerts() if a.name == "surge")
    looks = range(ms(START + EVERY), ms(at(168)), ms(EVERY + START) - ms(START))
    live = Course(alert)
    for look in looks:
        week.come(datetime.fromtimestamp(look / 1000, UTC))
        live.look(week.client, look)
    rehearsed = rehearse(week.project, alert, week.client, looks)
    assert said(rehearsed) == said(live.fired)
    assert [json.loads(i.key) for i in rehearsed] == [["surges"]] * len(SURGES)
    for incident, (first, last) in zip(rehearsed, SURGES, strict=True):
        assert ms(at(first)) < (incident.fired_ms or 0) <= ms(at(first) + 2 * EVERY)
        assert ms(at(last)) < (incident.resolved_ms or 0) <= ms(at(last) + 2 * EVERY)
    # Looked for in all that came, whenever it did, the late rows would have fired.
    hasty = blind(alert)
    found = rehearse(week.project, hasty, week.client, range(ms(at(74)), ms(at(77)), 300_000))
    assert {json.loads(i.key)[0] for i in found} == {"late", "slow"}


def test_what_came_later_is_left_out_where_a_table_knows(week: Week) -> None:
    (alert,) = (a for a in week.project.alerts() if a.name == "surge")
    sql = (
        "SELECT device_id, count() AS rows FROM telemetry_data "
        "WHERE _ingested_at > now('UTC') - INTERVAL 10 MINUTE GROUP BY device_id ORDER BY device_id"
    )
    query = replace(alert.query, sql=sql, reads=("telemetry_data",), params=())
    counting = replace(alert, query=query, message="{rows}")
    week.come(at(2))
    (first, *_) = rehearse(week.project, counting, week.client, range(ms(at(1)), ms(at(1)) + 1))
    assert first.row["rows"] == 10


def blind(alert: Alert) -> Alert:
    """The same, by golds that have what came late as well."""
    sql = alert.query.sql.replace("punctual_minute", "device_minute")
    return replace(
        alert, query=replace(alert.query, sql=sql.replace("punctual_hour", "device_hour"))
    )
