"""Incidents and deliveries in the store: all of a look or nothing, one open incident of a key."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from penstock.store.incidents import Incident, Incidents

if TYPE_CHECKING:
    from penstock.store.database import Store

HOT = Incident(0, "homes", "hot", "[7]", "firing", "critical", "hot", {"home": 7}, 1, 2, 2)


@pytest.fixture
def incidents(store: Store) -> Incidents:
    return Incidents(store)


def test_a_look_is_written_whole(incidents: Incidents) -> None:
    pending = replace(HOT, key="[8]", state="pending", fired_ms=None)
    incidents.change([HOT, pending], tell=[(HOT, "fired", ("log", "webhook"))])
    hot, other = incidents.open("homes", "hot")
    assert (hot.key, hot.row, other.state) == ("[7]", {"home": 7}, "pending")
    assert incidents.counts() == {("homes", "hot"): {"firing": 1, "pending": 1}}
    assert [(d.channel, d.event, d.incident.key) for d in incidents.waiting(0)] == [
        ("log", "fired", "[7]"), ("webhook", "fired", "[7]")
    ]  # fmt: skip
    ended = replace(hot, state="resolved", resolved_ms=9)
    incidents.change([ended], [other], [(ended, "resolved", ("log",))])
    assert incidents.open("homes", "hot") == []
    assert [i.state for i in incidents.newest(10)] == ["resolved"]
    assert len(incidents.told([hot.id])[hot.id]) == 3


def test_nobody_is_told_twice_and_no_key_is_open_twice(incidents: Incidents) -> None:
    incidents.change([HOT], tell=[(HOT, "fired", ("log",))])
    (hot,) = incidents.open("homes", "hot")
    with pytest.raises(sa.exc.IntegrityError):
        incidents.change([hot], tell=[(hot, "fired", ("log",))])
    with pytest.raises(sa.exc.IntegrityError):
        incidents.change([HOT])
    assert len(incidents.waiting(0)) == 1


def test_the_end_is_not_told_before_the_beginning(incidents: Incidents) -> None:
    incidents.change([HOT], tell=[(HOT, "fired", ("log", "webhook"))])
    log, webhook = incidents.waiting(0)
    incidents.sent(log, 1)
    incidents.failed(webhook, "it answered 500", next_ms=5000, now_ms=0)
    ended = replace(log.incident, state="resolved", resolved_ms=9)
    incidents.change([ended], tell=[(ended, "resolved", ("log", "webhook"))])
    assert [(d.channel, d.event) for d in incidents.waiting(4999)] == [("log", "resolved")]
    due = incidents.waiting(5000)
    assert [(d.channel, d.event) for d in due] == [("webhook", "fired"), ("log", "resolved")]
    incidents.sent(due[0], 5001)
    assert [(d.channel, d.event) for d in incidents.waiting(5002)] == [
        ("log", "resolved"), ("webhook", "resolved")
    ]  # fmt: skip


def test_what_ends_in_a_silence_waits_for_nothing(incidents: Incidents) -> None:
    incidents.change([HOT], tell=[(HOT, "fired", ("log",))])
    (fired,) = incidents.waiting(0)
    incidents.wait(fired, 5000)
    ended = replace(fired.incident, state="resolved", resolved_ms=9)
    incidents.change([ended], tell=[(ended, "resolved", ("log",))])
    (due,) = incidents.waiting(10)
    assert due.event == "resolved"
    incidents.mute(due, 10)
    assert incidents.waiting(10**12) == []


def test_what_waits_for_one_channel_keeps_no_other_from_its_turn(incidents: Incidents) -> None:
    several = [replace(HOT, key=f"[{number}]") for number in range(3)]
    incidents.change(several, tell=[(each, "fired", ("webhook",)) for each in several])
    incidents.change([replace(HOT, key="[9]")], tell=[(replace(HOT, key="[9]"), "fired", ("log",))])
    assert [d.channel for d in incidents.waiting(0, limit=2)] == ["webhook", "webhook", "log"]


def test_a_delivery_is_tried_again_and_given_up(incidents: Incidents) -> None:
    incidents.change([HOT], tell=[(HOT, "fired", ("webhook",))])
    (delivery,) = incidents.waiting(0)
    incidents.failed(delivery, "it answered 500", next_ms=5000, now_ms=0)
    assert incidents.waiting(4999) == []
    (again,) = incidents.waiting(5000)
    assert (again.id, again.attempts) == (delivery.id, 1)
    incidents.failed(again, "it answered 500", next_ms=None, now_ms=6000)
    assert incidents.waiting(10**12) == []
    (told,) = incidents.told([again.incident.id])[again.incident.id]
    assert (told["state"], told["attempts"], told["error"]) == ("failed", 2, "it answered 500")
