"""Records as RowBinary, read back by its rules."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pytest

from penstock.sources.records import length, packed


@dataclass(frozen=True)
class Message:
    """What a consumer gives."""

    at: tuple[int, int]
    body: bytes | None
    named: bytes | None = None
    beside: tuple[tuple[str, bytes | None], ...] = ()
    sent: tuple[int, int] = (1, 1_795_000_000_000)

    def partition(self) -> int:
        return self.at[0]

    def offset(self) -> int:
        return self.at[1]

    def value(self) -> bytes | None:
        return self.body

    def key(self) -> bytes | None:
        return self.named

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return list(self.beside) or None

    def timestamp(self) -> tuple[int, int]:
        return self.sent


class Reader:
    """RowBinary, a value at a time."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def take(self, size: int) -> bytes:
        found = self.raw[self.at : self.at + size]
        assert len(found) == size
        self.at += size
        return found

    def size(self) -> int:
        found = shift = 0
        while (byte := self.take(1)[0]) & 0x80:
            found |= (byte & 0x7F) << shift
            shift += 7
        return found | byte << shift

    def text(self) -> bytes:
        return self.take(self.size())

    def row(self) -> tuple[object, ...]:
        head = struct.unpack("<IQq?", self.take(21))
        key = self.text()
        headers = {self.text(): self.text() for _ in range(self.size())}
        return (*head, key, headers, self.text())


@pytest.mark.parametrize("size", [0, 1, 127, 128, 300, 16_383, 16_384, 2**21, 2**32])
def test_a_length_takes_seven_bits_a_byte(size: int) -> None:
    raw = length(size)
    assert Reader(raw).size() == size
    assert len(raw) == max(1, -(-size.bit_length() // 7))


def test_rows_hold_all_that_came() -> None:
    long = b"x" * 20_000
    messages = [
        Message((0, 5), b'{"a":\n1}', b"k\xff"),
        Message((2, 2**40), None, None, (("t", b"\0"), ("n", None), ("t", b"last"))),
        Message((2**32 - 1, 0), long, long, sent=(0, 0)),
        Message((1, 1), b"", b""),
    ]
    reader = Reader(packed(messages))  # type: ignore[arg-type] - it gives what one gives
    at = 1_795_000_000_000
    assert [reader.row() for _ in messages] == [
        (0, 5, at, False, b"k\xff", {}, b'{"a":\n1}'),
        (2, 2**40, at, True, b"", {b"t": b"last", b"n": b""}, b""),
        (2**32 - 1, 0, -1, False, long, {}, long),
        (1, 1, at, False, b"", {}, b""),
    ]
    assert reader.at == len(reader.raw)
