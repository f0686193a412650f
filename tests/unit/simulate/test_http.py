"""The sender against a real server that is busy, breaks connections and goes away."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
import time
from collections import Counter
from decimal import Decimal
from email.utils import formatdate
from pathlib import Path

import pytest

from penstock.errors import BadInputError, EngineDownError
from penstock.simulate.homes import SOURCE, Faults, Homes, Schedule
from penstock.simulate.http import HttpSender, Pace, _retry_after_s
from penstock.simulate.rows import DECIMALS
from penstock.simulate.truth import BatchLog, Truth

from .receiver import Receiver

START_MS = 1_795_269_600_000
FAULTS = Faults(late=0.02, duplicates=0.02, malformed=0.02)


def history(readings: int = 60_000, faults: Faults = FAULTS) -> Homes:
    schedule = Schedule.history(START_MS, 86_400, readings, 100)
    return Homes(schedule, homes=100, faults=faults, serial=True)


def live(rate: float, readings: int | None = None) -> Homes:
    return Homes(Schedule.live(START_MS, rate, readings), homes=100, serial=True)


def sender_of(url: str, homes: Homes, tmp_path: Path, **pace) -> HttpSender:
    return HttpSender(
        url,
        homes,
        Truth(SOURCE, homes.seed, DECIMALS),
        pace=Pace(**pace),
        truth_file=tmp_path / "truth.json",
        batch_log=BatchLog(tmp_path / "ids.ndjson"),
    )


def send(url: str, homes: Homes, tmp_path: Path, **pace) -> dict:
    asyncio.run(sender_of(url, homes, tmp_path, **pace).run())
    return json.loads((tmp_path / "truth.json").read_text())


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def lines_of(bodies: list[bytes]) -> list[bytes]:
    return b"".join(bodies).splitlines()


def rows_of(bodies: list[bytes]) -> list[dict]:
    """The good rows of some bodies, told by their text alone."""
    rows = []
    for line in lines_of(bodies):
        marks = (b'"warm"', b"NaN", b"-02-30T")
        if (
            line.startswith(b'{"home_id"')
            and line.endswith(b"}")
            and not any(mark in line for mark in marks)
        ):
            rows.append(json.loads(line, parse_float=Decimal))
    return rows


def test_all_is_acknowledged_by_a_receiver_that_behaves(receiver, tmp_path):
    truth = send(receiver.url, history(), tmp_path)
    assert truth["sent"] == truth["acknowledged"] == len(lines_of(receiver.stored))
    assert truth["unacknowledged"] == truth["refused"] == truth["skipped"] == 0
    assert truth["final"] is True
    assert sum(truth["hours"].values()) == truth["acknowledged"]
    rows = rows_of(receiver.stored)
    assert truth["good"] == len(rows)
    for name in DECIMALS:
        assert Decimal(truth["sums"][name]) == sum(row[name] for row in rows)
    assert truth["of_sent"] == {key: truth[key] for key in truth["of_sent"]}


def test_the_truth_is_exact_whatever_the_receiver_does(receiver, tmp_path):
    """Busy, cut before and after storing, failing after storing: on eight connections."""
    dice = random.Random(3)  # which faults; the outcome must hold for any
    kinds = ["take"] * 5 + ["busy", "busy", "lose", "mute", "fail"]
    receiver.behave = lambda _: dice.choice(kinds)
    truth = send(receiver.url, history(), tmp_path, body_rows=1500, connections=8)
    answered, stored = lines_of(receiver.answered), lines_of(receiver.stored)
    assert truth["acknowledged"] == len(answered)
    assert truth["unacknowledged"] > 0
    assert truth["sent"] == truth["acknowledged"] + truth["unacknowledged"]
    assert truth["acknowledged"] < len(stored) < truth["sent"]
    assert len(set(receiver.stored)) == len(receiver.stored)  # no body was stored twice
    tried_again = set(receiver.busy)
    assert tried_again
    assert truth["refused"] == 0
    rows = rows_of(receiver.answered)
    assert truth["good"] == len(rows)
    assert Decimal(truth["sums"]["energy"]) == sum(row["energy"] for row in rows)

    expected: Counter[int] = Counter()
    for line in (tmp_path / "ids.ndjson").read_text().splitlines():
        batch = json.loads(line)
        expected.update(range(batch["first"], batch["last"] + 1))
        expected.update(batch["duplicates"])
        expected.subtract(batch["malformed"])
    got = Counter(row["serial"] for row in rows if "home_id" in row)
    assert got == +expected


def test_a_busy_receiver_gets_the_same_body_again_and_not_sooner_than_it_asks(receiver, tmp_path):
    receiver.retry_after = "0.4"
    receiver.behave = lambda number: "busy" if number < 3 else "take"
    began = time.monotonic()
    truth = send(receiver.url, history(5000), tmp_path, connections=1, body_rows=2000)
    assert time.monotonic() - began >= 1.2
    assert len(set(receiver.busy)) == 1
    assert receiver.busy[0] == receiver.stored[0]
    assert truth["acknowledged"] == truth["sent"] == len(lines_of(receiver.stored))


def test_a_receiver_that_stays_busy_leaves_refused_rows(receiver, tmp_path):
    receiver.behave = lambda _: "busy"
    pace = {"for_s": 0.4, "grace_s": 0.3, "connections": 2}
    truth = send(receiver.url, history(), tmp_path, **pace)
    assert truth["refused"] == truth["unacknowledged"] == truth["sent"] > 0
    assert receiver.stored == []


def test_a_history_can_be_held_to_a_rate(receiver, tmp_path):
    began = time.monotonic()
    truth = send(receiver.url, history(6000), tmp_path, body_rows=500, most_rows_s=5000)
    assert time.monotonic() - began >= 5500 / 5000  # the first body need not wait
    assert truth["acknowledged"] == truth["sent"] == len(lines_of(receiver.stored))


@pytest.mark.slow
def test_a_paced_stream_keeps_its_rate_without_drift(receiver, tmp_path):
    began = time.monotonic()
    truth = send(receiver.url, live(2000.0), tmp_path, for_s=5.0)
    assert 4.9 <= time.monotonic() - began < 6.0
    assert receiver.requests >= 40
    serials = {row["serial"] for row in rows_of(receiver.stored)}
    assert max(serials) > 9990
    assert truth["sent"] - truth["duplicates"] == 10_000
    assert truth["skipped"] == 0


def test_a_slow_stream_sends_single_rows_when_they_are_due(receiver, tmp_path):
    truth = send(receiver.url, live(5.0), tmp_path, for_s=1.0)
    assert truth["sent"] - truth["duplicates"] == 5
    assert receiver.requests == 5


@pytest.mark.slow
def test_an_outage_costs_what_fell_due_meanwhile_and_no_more(tmp_path):
    """The server goes away for 2 s: nothing is resent, old rows are left out, new ones follow."""
    receiver, result = Receiver(), []
    homes = live(1000.0)
    with receiver.serving() as url:
        thread = threading.Thread(
            target=lambda: result.append(send(url, homes, tmp_path, for_s=6.0, skip_after_s=0.5))
        )
        thread.start()
        time.sleep(1.0)
    before = len(receiver.stored)
    time.sleep(2.0)
    with receiver.serving(port_of(url)):
        thread.join(20)
    (truth,) = result
    assert 0 < before < len(receiver.stored)
    assert 500 < truth["skipped"] < 4000
    assert truth["unacknowledged"] > 0
    assert truth["acknowledged"] == len(lines_of(receiver.answered))
    assert truth["sent"] - truth["of_sent"]["duplicates"] + truth["skipped"] == 6000
    serials = [row["serial"] for row in rows_of(receiver.stored)]
    assert max(serials) > 5900
    assert max(Counter(serials).values()) <= 2
    assert len(set(receiver.stored)) == len(receiver.stored)


def test_an_early_stop_waits_for_what_is_on_its_way(receiver, tmp_path):
    async def play() -> Truth:
        sender = sender_of(receiver.url, live(5000.0), tmp_path)
        seen: list[int] = []
        sender.on_account = lambda account: seen.append(account.acknowledged)
        run = asyncio.create_task(sender.run())
        await asyncio.sleep(1.3)
        assert json.loads((tmp_path / "truth.json").read_text())["final"] is False
        sender.stop.set()
        await asyncio.wait_for(run, 5)
        assert len(seen) == 2
        return sender._truth

    document = asyncio.run(play()).document()
    assert json.loads((tmp_path / "truth.json").read_text()) == document
    assert document["final"] is True
    assert document["sent"] == document["acknowledged"] == len(lines_of(receiver.stored)) > 1000


def test_a_cancelled_sender_still_writes_its_account(receiver, tmp_path):
    async def play() -> None:
        run = asyncio.create_task(sender_of(receiver.url, live(5000.0), tmp_path).run())
        await asyncio.sleep(0.5)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(play())
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["final"] is True
    assert truth["acknowledged"] <= len(lines_of(receiver.stored)) <= truth["sent"]


def test_a_refused_request_ends_the_sender_with_the_answer(receiver, tmp_path):
    receiver.behave = lambda _: "refuse"
    with pytest.raises(BadInputError) as caught:
        send(receiver.url, history(), tmp_path)
    assert caught.value.status == 404
    assert "Not found" in str(caught.value)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["refused"] == truth["sent"] > 0


def test_a_body_of_nothing_but_bad_rows_may_be_refused(receiver, tmp_path):
    receiver.behave = lambda _: "refuse"
    truth = send(receiver.url, history(1000, Faults(0, 0, 1)), tmp_path, body_rows=100)
    assert truth["refused"] == truth["sent"] == 1000


def test_nobody_there_is_an_error_that_says_so(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/rows"
        with pytest.raises(EngineDownError) as caught:
            send(url, live(100.0), tmp_path, give_up_s=0.6)
    assert url in caught.value.where
    assert caught.value.next_step
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["acknowledged"] == 0
    assert truth["unacknowledged"] == truth["sent"] > 0


@pytest.mark.parametrize(
    ("value", "seconds"), [(None, 1), ("2.5", 2.5), ("-1", 0), ("soon", 1), ("0", 0)]
)
def test_retry_after_in_seconds(value, seconds):
    assert _retry_after_s(value) == seconds


def test_retry_after_as_a_date():
    assert _retry_after_s(formatdate(time.time() + 30, usegmt=True)) == pytest.approx(30, abs=2)
    assert _retry_after_s(formatdate(time.time() - 30, usegmt=True)) == 0
