"""Bodies that are one JSON object, and what nothing else could be sent."""

from __future__ import annotations

import pytest

from penstock.serve.bodies import read_object


def test_objects_are_read_as_they_are() -> None:
    given = rb'{"a": ["\ud83d\ude00", "\\u0000", "C:\\\\u0000"], "b": {"c": null}}'
    assert read_object(given) == {"a": ["😀", "\\u0000", "C:\\\\u0000"], "b": {"c": None}}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"7", b"null", b"\xff",
        b"[" * 100_000,
        b'{"a": ' * 100_000,
        b'{"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        rb'{"a": "\ud800"}', rb'{"\udfff": 1}',
        b'{"a": NaN}', b'{"a": [-Infinity]}', b'{"a": 1e999}',
        rb'{"a": "x\u0000"}', rb'{"a": "\\\u0000"}',
    ],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_others_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it is
        read_object(body)
