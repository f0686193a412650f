"""A document is packed once for all who come, and no more of them are kept than fit."""

from __future__ import annotations

import gzip
import random
from concurrent.futures import ThreadPoolExecutor

from starlette.requests import Request

from penstock.serve.documents import Packed, sent


def _asked(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw})


def _noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(10_000)  # gzip takes nothing off it


def test_a_hundred_first_visits_get_the_very_same_packed_bytes() -> None:
    document = {"rows": [{"home": home, "region": "north"} for home in range(500)]}
    with ThreadPoolExecutor(8) as visitors:
        answers = list(
            visitors.map(lambda _: sent(_asked(accept_encoding="gzip"), document), range(100))
        )
    plain = sent(_asked(), document)
    assert gzip.decompress(bytes(answers[0].body)) == plain.body
    assert len({id(answer.body) for answer in answers}) == 1, "packed more than once"
    assert sent(_asked(if_none_match=plain.headers["etag"]), document).status_code == 304


def test_the_oldest_goes_when_they_are_too_many_and_what_changed_is_packed_anew() -> None:
    packed = Packed(25_000)
    first, second = packed.of("1", _noise(1)), packed.of("2", _noise(2))
    assert packed.of("1", _noise(1)) is first, "kept, and asked for last"
    third = packed.of("3", _noise(3))
    assert packed.of("1", _noise(1)) is first
    assert packed.of("3", _noise(3)) is third
    assert packed.of("2", _noise(2)) is not second
    assert gzip.decompress(packed.of("2", _noise(2))) == _noise(2)


def test_a_document_larger_than_all_that_is_kept_is_packed_all_the_same() -> None:
    packed = Packed(100)
    assert gzip.decompress(packed.of("1", _noise(1))) == _noise(1)
    assert gzip.decompress(packed.of("1", _noise(1))) == _noise(1)
