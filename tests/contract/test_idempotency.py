"""`Idempotency-Key`, and answers that say which rows were bad."""

from __future__ import annotations

import concurrent.futures
import gzip
import json
import time
import uuid
from typing import TYPE_CHECKING

import httpx2 as httpx
import pytest
from tests.contract.conftest import Up, reading, running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LINES = "application/x-ndjson"


def body(*homes: object) -> bytes:
    return b"".join(json.dumps(reading(0, home_id=home)).encode() + b"\n" for home in homes)


def own() -> int:
    """A home that no other test knows."""
    return uuid.uuid4().int % 2**30 + 2**31


def keyed(up: Up, content: bytes, key: str, **params: str) -> httpx.Response:
    headers = {"Content-Type": LINES, "Idempotency-Key": key}
    return up.http.post(
        "/v1/ingest/homes/readings", content=content, headers=headers, params=params
    )


def stored(up: Up, home: int) -> int:
    return up.front.count(f"homes.readings WHERE home_id = {home}")


def replayed(answer: httpx.Response) -> bool:
    return answer.headers.get("Idempotent-Replayed") == "true"


def test_a_retry_gets_the_stored_answer(platform: Up) -> None:
    home, key = own(), str(uuid.uuid4())
    content = body(home, "seven")
    first = keyed(platform, content, key)
    assert (first.status_code, replayed(first)) == (202, False)
    again = keyed(platform, content, key)
    assert (again.status_code, replayed(again), again.json()) == (202, True, first.json())
    landed = keyed(platform, content, f'"{key}"', wait="true")  # a string of RFC 8941, too
    assert (landed.status_code, replayed(landed)) == (200, True)
    assert landed.json() == first.json() | {
        "stored": 1,
        "dead": 1,
        "dead_letters": [{"row": 1, "reason": "home_id_type: seven"}],
    }
    assert keyed(platform, content, key).json() == landed.json()
    assert stored(platform, home) == 1


def test_what_counts_is_the_body_not_how_it_is_packed(platform: Up) -> None:
    home, key = own(), str(uuid.uuid4())
    content = body(home)
    assert not replayed(keyed(platform, content, key, wait="true"))
    headers = {"Idempotency-Key": key, "Content-Encoding": "gzip", "Content-Type": LINES}
    packed = gzip.compress(content)
    again = platform.http.post("/v1/ingest/homes/readings", content=packed, headers=headers)
    assert (again.status_code, replayed(again)) == (200, True)
    assert stored(platform, home) == 1


def test_another_body_is_refused(platform: Up) -> None:
    home, key = own(), str(uuid.uuid4())
    assert keyed(platform, body(home), key).status_code == 202
    answer = keyed(platform, body(home, home), key)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "idempotency_key_reused"
    assert "new key" in answer.json()["next"]
    assert keyed(platform, body(own(), home), str(uuid.uuid4()), wait="true").status_code == 200
    assert stored(platform, home) == 2


def test_of_many_at_once_one_is_stored(platform: Up) -> None:
    """The others are told to wait, or get its answer."""
    home, key = own(), str(uuid.uuid4())
    content = body(home)

    def send(_number: int) -> httpx.Response:
        return keyed(platform, content, key, wait="true")

    with concurrent.futures.ThreadPoolExecutor(12) as senders:
        answers = list(senders.map(send, range(24)))
    assert {answer.status_code for answer in answers} == {200, 409}
    for answer in answers:
        if answer.status_code == 409:
            assert int(answer.headers["Retry-After"]) >= 1
            assert answer.json()["code"] == "idempotency_key_in_use"
    taken = [answer for answer in answers if answer.status_code == 200]
    assert [replayed(answer) for answer in taken].count(False) == 1
    assert len({answer.text for answer in taken}) == 1
    assert stored(platform, home) == 1


def test_many_keys_at_once(platform: Up) -> None:
    homes = {own(): str(uuid.uuid4()) for _ in range(40)}
    bodies = [(body(home), key) for home, key in homes.items()]

    def send(sent: tuple[bytes, str]) -> httpx.Response:
        return keyed(platform, *sent, wait="true")

    with concurrent.futures.ThreadPoolExecutor(20) as senders:
        assert {answer.status_code for answer in senders.map(send, bodies)} == {200}
        assert all(replayed(answer) for answer in senders.map(send, bodies))
    assert platform.front.count(f"homes.readings WHERE home_id IN {tuple(homes)}") == len(homes)


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "a\tb", "caf\xe9"])
def test_what_is_no_key(platform: Up, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    answer = platform.http.post("/v1/ingest/homes/readings", content=body(1), headers=headers)
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_idempotency_key"


def test_a_body_that_is_refused_does_not_use_its_key_up(platform: Up) -> None:
    home, key = own(), str(uuid.uuid4())
    assert keyed(platform, b"\n", key).status_code == 400
    answer = keyed(platform, body(home), key)
    assert (answer.status_code, replayed(answer)) == (202, False)


def test_the_list_of_bad_rows_is_bounded(platform: Up) -> None:
    home = own()
    answer = platform.post(body(home, *["x"] * 250, home), LINES, wait="true").json()
    assert (answer["accepted"], answer["stored"], answer["dead"]) == (252, 2, 250)
    assert [letter["row"] for letter in answer["dead_letters"]] == list(range(1, 101))


def test_rows_are_counted_over_the_pieces_of_a_large_body(platform: Up) -> None:
    """More rows than one frame of the spool holds."""
    home, key = own(), str(uuid.uuid4())
    content = body(home) + b"1\n" * 3 + body(home).strip() + b"\n" + b"\n" * 5
    filler = b'{"home_id":%d,"ts":"2026-11-01T00:00:00Z"}\n' % home
    content += filler * 200_000 + b"2\n"
    answer = keyed(platform, content, key, wait="true")
    document = answer.json()
    assert (answer.status_code, document["accepted"]) == (200, 200_006)
    assert [letter["row"] for letter in document["dead_letters"]] == [1, 2, 3, 200_005]
    assert document["stored"] == 200_002
    again = keyed(platform, content, key, wait="true")
    assert (replayed(again), again.json()) == (True, document)


def test_a_spool_that_is_full_does_not_use_the_key_up(
    project: Path, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    settings = {"PENSTOCK_SPOOL_BYTES": "20kb", "PENSTOCK_BATCH_AGE": "2s"}
    with running(project, tmp_path / "data", free_port, **settings) as up:
        home = own()
        first, second = body(*[home] * 150), body(*[home] * 140)
        assert keyed(up, first, "first").status_code == 202
        assert keyed(up, second, "second").status_code == 429
        deadline = time.monotonic() + 30
        while (answer := keyed(up, second, "second")).status_code == 429:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert (answer.status_code, replayed(answer)) == (202, False)
        assert keyed(up, second, "second", wait="true").json()["stored"] == 140
        assert stored(up, home) == 290
