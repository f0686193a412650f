"""Records with what came beside them: partition, offset, time, key and headers, as RowBinary.

The engine reads them as

::

    part UInt32, pos UInt64, sent_ms Int64, tombstone Bool, key String,
    headers Map(String, String), raw String

Nothing looks into a record: its bytes are put behind their length.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from confluent_kafka import Message

STRUCTURE: Final = (
    "part UInt32, pos UInt64, sent_ms Int64, tombstone Bool, key String, "
    "headers Map(String, String), raw String"
)
"""Of the rows, as `input('…')` takes it."""

UNKNOWN_MS: Final = -1
"""The time of a message that has none."""

_HEAD = struct.Struct("<IQq?")
_NONE = b"\0"
_SEVEN_BITS = 0x7F


def length(size: int) -> bytes:
    """A length as RowBinary has it: seven bits a byte, the lowest first (LEB128)."""
    found = bytearray()
    while size > _SEVEN_BITS:
        found.append(size & _SEVEN_BITS | 0x80)
        size >>= 7
    found.append(size)
    return bytes(found)


_LENGTHS: Final = tuple(length(size) for size in range(1 << 14))  # all of two bytes


def packed(messages: Iterable[Message]) -> bytes:
    """Messages as rows of `STRUCTURE`, in their order."""
    pieces: list[bytes] = []
    add, lengths, short = pieces.append, _LENGTHS, len(_LENGTHS)
    for message in messages:
        value, key, headers = message.value(), message.key(), message.headers()
        kind, sent = message.timestamp()
        add(_HEAD.pack(message.partition(), message.offset(), sent if kind else -1, value is None))
        if key:
            add(lengths[len(key)] if len(key) < short else length(len(key)))
            add(key)
        else:
            add(_NONE)
        add(_headers(headers) if headers else _NONE)
        if value:
            add(lengths[len(value)] if len(value) < short else length(len(value)))
            add(value)
        else:
            add(_NONE)
    return b"".join(pieces)


def _headers(headers: Mapping[str, Any] | Sequence[tuple[str, Any]]) -> bytes:
    """A Map; of a name that comes twice the last one stays, as a Map has each key once."""
    each = dict(headers)
    pieces = [length(len(each))]
    for name, value in each.items():
        for text in (name.encode(), value or b""):
            pieces += (length(len(text)), text)
    return b"".join(pieces)
