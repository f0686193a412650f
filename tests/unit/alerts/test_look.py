"""What the rows of a look change, whatever came before them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.alerts.look import Found, compare, let_go
from penstock.project.objects import Alert, Endpoint, Header
from penstock.store.incidents import Incident

QUERY = Endpoint("homes", "homes", "hot", Path("hot.sql"), "SELECT 1", 1, Header(), (), ())
HOT = Alert(QUERY, 10, 20, 15, ("home",), "critical", ("log", "webhook"), "Home {home}: {c} °C")


class Story:
    """An alert's incidents over time, as the store would keep them."""

    def __init__(self, alert: Alert = HOT) -> None:
        self.alert, self.now = alert, 0
        self.open: dict[str, Incident] = {}
        self.told: list[tuple[int, str, str]] = []
        self.number = 0

    def look(self, *homes: int, after: int = 10) -> Found:
        self.now += after * 1000
        rows: list[dict[str, Any]] = [{"home": home, "c": 30 + home} for home in homes]
        found = compare(self.alert, rows, self.open.values(), self.now)
        for each in found.changed:
            if not each.id:
                self.number += 1
            kept = each if each.id else replace(each, id=self.number)
            self.open[each.key] = kept
            if each.state == "resolved":
                del self.open[each.key]
        for each in found.forgotten:
            del self.open[each.key]
        self.told += [(self.now // 1000, event, each.key) for each, event, _ in found.tell]
        return found


def test_it_waits_fires_keeps_and_is_resolved() -> None:
    story = Story()
    for homes in ((7,), (7,), (7,), (), (), (), ()):
        story.look(*homes)
    assert story.told == [(30, "fired", "[7]"), (50, "resolved", "[7]")]
    assert story.open == {}


def test_what_goes_before_it_fires_is_forgotten() -> None:
    story = Story()
    story.look(7)
    assert story.look().forgotten[0].key == "[7]"
    story.look(7)
    assert story.told == []
    assert story.open["[7]"].since_ms == 30_000


def test_a_gap_that_is_short_is_no_end() -> None:
    story = Story()
    for homes in ((7,), (7,), (7,), (), (7,), (), (7,)):
        story.look(*homes)
    assert story.told == [(30, "fired", "[7]")]


def test_each_key_goes_its_own_way_and_is_said_once() -> None:
    story = Story(replace(HOT, wait=0))
    found = story.look(1, 2, 2)
    assert [each.message for each in found.changed] == ["Home 1: 31 °C", "Home 2: 32 °C"]
    assert [channels for _, _, channels in found.tell] == [("log", "webhook")] * 2


@pytest.mark.parametrize("key", [(), ("home",)])
def test_the_first_column_is_the_key_unless_it_is_said(key: tuple[str, ...]) -> None:
    story = Story(replace(HOT, key=key))
    story.look(5)
    assert list(story.open) == ["[5]"]


@given(st.lists(st.sets(st.integers(1, 3)), max_size=30), st.integers(0, 40), st.integers(0, 40))
def test_beginnings_and_ends_alternate(looks: list[set[int]], wait: int, keep: int) -> None:
    story = Story(replace(HOT, wait=wait, keep=keep))
    for homes in looks:
        story.look(*sorted(homes))
    for key in ("[1]", "[2]", "[3]"):
        events = [event for _, event, of in story.told if of == key]
        assert events == ["fired", "resolved"] * (len(events) // 2) + ["fired"] * (len(events) % 2)
        assert (key in story.open and story.open[key].state == "firing") == (len(events) % 2 == 1)


def test_what_an_alert_said_ends_with_it() -> None:
    story = Story()
    for _ in range(3):
        story.look(7)
    story.look(7, 8)
    fired, pending = story.open.values()
    told = {fired.id: [{"channel": "log"}, {"channel": "log"}, {"channel": "webhook"}]}
    found = let_go([fired, pending], told, 99_000)
    ended = replace(fired, state="resolved", resolved_ms=99_000)
    assert (found.changed, found.forgotten) == ([ended], [pending])
    assert found.tell == [(ended, "resolved", ("log", "webhook"))]
