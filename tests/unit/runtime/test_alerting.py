"""The alerts of a platform: what nobody foresaw, what hangs, and what is asked of them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.alerts.test_webhook import HOT, Receiver, receiver, url
from tests.unit.project.conftest import Spoiled, meters

from penstock.engine.client import Address, Client
from penstock.errors import BadInputError, UsageError
from penstock.runtime.alerting import Alerting
from penstock.settings import Settings
from penstock.store.database import Store

__all__ = ["meters", "receiver"]

ALERT = """/*
every: 1s
key: [meter_id, region]
*/
SELECT meter_id, region FROM readings
"""


@pytest.fixture
def make(
    meters: Spoiled, tmp_path: Path, free_port: Callable[[], int]
) -> Iterator[Callable[..., Alerting]]:
    """Makes the alerts of a platform whose engine is away, of settings."""
    project = meters.write("meters/alerts/high.sql", ALERT).load()
    client = Client(Address("127.0.0.1", free_port()))
    with ExitStack() as stack:

        def give(**settings: str) -> Alerting:
            store = Store.open(str(tmp_path / "penstock.sqlite"))
            stack.callback(store.close)
            asked = Settings.load({"webhook_private": 1, **settings})
            return Alerting.of(project, asked, client, store, threading.Event())

        yield give


@contextmanager
def living(alerting: Alerting) -> Iterator[None]:
    threads = [threading.Thread(target=each) for each in (alerting.run, alerting.tell)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        alerting.stop.set()
        for thread in threads:
            thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


def wait_for(what: str, seen: Callable[[], Any]) -> None:
    until = time.monotonic() + 20
    while not seen():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.02)


def fire(alerting: Alerting, *rows: dict[str, Any]) -> None:
    about = alerting.project.alerts()[0]
    several = [
        replace(HOT, id=0, domain=about.query.domain, alert=about.name, key=f"[{n}]", row=row)
        for n, row in enumerate(rows)
    ]
    tell = [(each, "fired", ("webhook",)) for each in several]
    alerting.incidents.change(several, tell=tell)


def test_what_nobody_foresaw_of_one_message_keeps_no_other_back(
    make: Callable[..., Alerting], receiver: Receiver
) -> None:
    alerting = make(webhook_url=url(receiver))
    fire(alerting, {"home": "\ud800"}, {"home": 7})  # half a sign: no bytes can be made of it
    with living(alerting):
        wait_for("the other one", lambda: receiver.got)
    told = alerting.incidents.told([1, 2])
    assert told[1][0]["attempts"] == 1
    assert "UnicodeEncodeError" in told[1][0]["error"]
    assert told[2][0]["state"] == "sent"


def test_what_nobody_foresaw_ends_no_thread_and_is_shown(
    make: Callable[..., Alerting], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.runtime.alerting._PAUSE", 0.1)
    alerting = make(webhook_url=url(receiver))
    fire(alerting, {"home": 7})
    client, deliveries = alerting.client, alerting.deliveries
    alerting.client = None  # type: ignore[assignment]
    alerting.deliveries = replace(deliveries, incidents=None)  # type: ignore[arg-type]

    def shown() -> dict[str, Any]:
        return dict(alerting.document()["alerts"][0])

    with living(alerting):
        wait_for("what fails", lambda: "AttributeError" in shown()["error"])
        assert shown()["state"] == "error"
        alerting.client, alerting.deliveries = client, deliveries
        wait_for("the next look", lambda: shown()["looked_ms"])
        wait_for("the next round", lambda: receiver.got)


def test_looks_go_on_while_a_webhook_hangs(make: Callable[..., Alerting]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes what comes and never answers
        alerting = make(webhook_url=f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        fire(alerting, {"home": 1}, {"home": 2})
        with living(alerting):
            deaf.settimeout(10)
            hanging, _ = deaf.accept()
            seen = {alerting.document()["alerts"][0]["looked_ms"] for _ in range(1)}

            def looked() -> bool:
                seen.add(alerting.document()["alerts"][0]["looked_ms"])
                return len(seen) > 2

            wait_for("two more looks", looked)
            assert [t["attempts"] for t in alerting.incidents.told([1])[1]] == [0]
            alerting.stop.set()
            hanging.close()
        assert [t["attempts"] for t in alerting.incidents.told([2])[2]] == [0]


@pytest.mark.parametrize(
    "settings",
    [{"webhook_url": "https://h:99999/"}, {"slack_url": "https://a..b/"},
     {"smtp_url": "smtp://h:abc", "mail_from": "a@b", "mail_to": "c@d"},
     {"smtp_url": "smtp://h", "mail_from": "a@b", "mail_to": "a@"}],
)  # fmt: skip
def test_a_channel_that_cannot_be_is_refused_at_the_start(
    make: Callable[..., Alerting], settings: dict[str, str]
) -> None:
    with pytest.raises(UsageError, match=r"mail|webhook"):
        make(**settings)


def test_what_is_logged_of_it_holds_no_secret(make: Callable[..., Alerting]) -> None:
    alerting = make(
        webhook_url="https://h/s3cret", webhook_secret="s3cret", slack_url="https://h/s3cret",
        smtp_url="smtp://me:s3cret@h", mail_from="a@b", mail_to="a@b",
    )  # fmt: skip
    assert "s3cret" not in repr(alerting)


@pytest.mark.parametrize("key", [["42"], ["42", "north", "1"], "42", 0, [[]] * 3, {"meter_id": 1}])
def test_a_silence_of_another_key_is_refused(make: Callable[..., Alerting], key: object) -> None:
    with pytest.raises(UsageError, match="no key of high") as refused:
        make().silence({"alert": "meters/high", "key": key, "seconds": 60})
    assert "meter_id, region" in refused.value.next_step


def test_a_silence_of_a_key_is_of_it_however_it_is_written(make: Callable[..., Alerting]) -> None:
    alerting = make()
    for key in (["42", "north"], [42, "north"]):
        found = alerting.silence({"alert": "meters/high", "key": key, "seconds": 60})
        assert len(found["silences"]) == 1
    for key in ([], None):
        found = alerting.silence({"alert": "meters/high", "key": key, "seconds": 60})
        assert [each["key"] for each in found["silences"]] == ['[42, "north"]', ""]


@pytest.mark.parametrize(
    ("name", "text"),
    [("limit", "-1"), ("limit", "0"), ("limit", "many"), ("limit", "9" * 30), ("from", "9" * 30),
     ("to", "9" * 5000), ("to", "-1"), ("from", "-" + "9" * 30), ("from", "yesterday")],
)  # fmt: skip
def test_a_number_of_a_history_that_cannot_be_is_refused(
    make: Callable[..., Alerting], name: str, text: str
) -> None:
    with pytest.raises(BadInputError, match=f"{name}=") as refused:
        make().history({name: text})
    assert refused.value.status == 400


def test_a_history_is_bounded(make: Callable[..., Alerting]) -> None:
    alerting = make()
    fire(alerting, {"home": 1}, {"home": 2})
    assert len(alerting.history({"limit": "1"})["incidents"]) == 1
    assert len(alerting.history({"limit": "1000000", "to": "99"})["incidents"]) == 2
