"""What `ingest` says became of the rows, by the answers it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from penstock.cli.ingest import _Delivery, _tell
from penstock.cli.running import http
from penstock.errors import EngineDownError, LandingBlockedError, PenstockError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.cli.conftest import Door

BODY = b"{}\n{}\n{}\n"


@pytest.fixture
def delivery(door: Door) -> Iterator[_Delivery]:
    with http(door.url, timeout=10) as client:
        yield _Delivery(client, door.url, "homes/readings")


def test_the_answer_says_what_is_a_dead_letter(door: Door, delivery: _Delivery) -> None:
    door.answers = [(200, {"accepted": 3, "stored": 2, "dead": 1})]
    delivery.send(BODY, 3)
    delivery.send(BODY, 3)
    assert delivery.account() == {"acknowledged": 6, "silver": 4, "dead_letters": 2}


def test_without_it_the_counts_of_the_status_do(door: Door, delivery: _Delivery) -> None:
    door.answers, door.pace = [(202, {"accepted": 3})], 3
    delivery.send(BODY, 3)
    door.source |= {"good": 2, "dead": 1}
    assert delivery.account() == {"acknowledged": 3, "silver": 2, "dead_letters": 1}
    door.source["good"] = 7  # somebody else sends, too
    assert delivery.account() == {"acknowledged": 3, "silver": None, "dead_letters": None}


def test_202_is_waited_for_until_all_is_landed(door: Door, delivery: _Delivery) -> None:
    door.answers, door.pace = [(202, {"accepted": 3})], 1
    delivery.send(BODY, 3)
    assert door.source["landed"] == 3
    assert delivery.sent == 3


def test_a_blocked_source_is_not_waited_for(door: Door, delivery: _Delivery) -> None:
    door.answers = [(202, {"accepted": 3})]
    door.source |= {"state": "blocked", "reason": "the view throws"}
    with pytest.raises(LandingBlockedError, match="the view throws"):
        delivery.send(BODY, 3)


def test_a_full_spool_is_tried_again(door: Door, delivery: _Delivery) -> None:
    door.answers = [(429, {}), (429, {}), (200, {"accepted": 3, "stored": 3, "dead": 0})]
    delivery.send(BODY, 3)
    assert door.bodies == [BODY] * 3
    assert delivery.account() == {"acknowledged": 3, "silver": 3, "dead_letters": 0}


def test_a_refusal_says_what_was_stored_before_it(door: Door, delivery: _Delivery) -> None:
    refused = {"detail": "no such source", "next": "post elsewhere"}
    door.answers = [(200, {"accepted": 3, "stored": 3}), (404, refused)]
    delivery.send(BODY, 3)
    with pytest.raises(PenstockError) as caught:
        delivery.send(BODY, 3)
    assert "no such source" in str(caught.value)
    assert "after 3 rows" in str(caught.value)
    assert caught.value.next_step == "post elsewhere"


def test_nobody_there(door: Door) -> None:
    with http(door.url, timeout=1) as client, pytest.raises(EngineDownError, match="penstock up"):
        _Delivery(client, "http://127.0.0.1:9", "homes/readings").send(BODY, 3)


def test_the_words_give_the_parts_and_the_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    _tell({"acknowledged": 3, "silver": 2, "dead_letters": 1}, "homes/readings", " --data d")
    assert capsys.readouterr().err == (
        "3 sent to homes/readings: 2 in silver, 1 dead letter\n"
        "next: penstock dead-letters ls --data d\n"
    )
    _tell({"acknowledged": 3, "silver": 3, "dead_letters": 0}, "homes/readings", "")
    assert capsys.readouterr().err.endswith("next: penstock status\n")
