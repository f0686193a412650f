"""Who is told in one round, and who has to wait for the next one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.alerts.test_webhook import HOT, Receiver, receiver, url

from penstock.alerts.delivery import Deliveries
from penstock.alerts.webhook import Webhook
from penstock.store.database import Store
from penstock.store.incidents import Incidents
from penstock.store.silences import Silences

__all__ = ["receiver"]


@pytest.fixture
def deliveries(tmp_path: Path, receiver: Receiver) -> Iterator[Deliveries]:
    store = Store.open(str(tmp_path / "penstock.sqlite"))
    channels = {"webhook": Webhook(url(receiver), private=True)}
    yield Deliveries(Incidents(store), Silences(store), channels)
    store.close()


def fire(deliveries: Deliveries, number: int) -> None:
    several = [replace(HOT, id=0, key=f"[{each}]") for each in range(number)]
    tell = [(each, "fired", ("webhook", "log")) for each in several]
    deliveries.incidents.change(several, tell=tell)


def test_a_channel_that_fails_is_left_alone_for_the_round(
    deliveries: Deliveries, receiver: Receiver
) -> None:
    fire(deliveries, 3)
    receiver.answer = 503
    assert deliveries.tell(1) == 4
    assert len(receiver.got) == 1
    told = deliveries.incidents.told([1, 2, 3])
    assert [[(t["channel"], t["state"], t["attempts"]) for t in told[i]] for i in (1, 2)] == [
        [("webhook", "waiting", 1), ("log", "sent", 0)],
        [("webhook", "waiting", 0), ("log", "sent", 0)],
    ]
    receiver.answer = 200
    assert deliveries.tell(6000) == 3
    assert deliveries.tell(6000) == 0


def test_a_round_ends_when_it_is_to(deliveries: Deliveries, receiver: Receiver) -> None:
    fire(deliveries, 1)
    deliveries.stop.set()
    assert deliveries.tell(1) == 0
    assert receiver.got == []
