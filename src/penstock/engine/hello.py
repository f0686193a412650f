"""The opening question of clickhouse-go, answered by hand.

It says which revision of the native protocol it knows, and reads this one answer in that form;
from the revision that it is told here, 0, it reads every later block as the engine writes it.
"""

from __future__ import annotations

import struct

QUESTION = "SELECT displayName(), version(), revision(), timezone()"
_CUSTOM_SERIALIZATION = 54454  # the revision from which a column says whether its form is its own
_NUMBERED = struct.Struct("<BBBiB")  # field 1: no overflow; field 2: no bucket; the end


def answer(version: str, protocol: int) -> bytes:
    """The block that answers it.

    Args:
        version: of the engine.
        protocol: revision that the client knows.
    """
    columns = (
        ("displayName()", "String", _text("penstock")),
        ("version()", "String", _text(version)),
        ("revision()", "UInt32", struct.pack("<I", 0)),
        ("timezone()", "String", _text("UTC")),
    )
    own = b"\0" if protocol >= _CUSTOM_SERIALIZATION else b""
    block = _NUMBERED.pack(1, 0, 2, -1, 0) + bytes([len(columns), 1])
    return block + b"".join(_text(name) + _text(kind) + own + data for name, kind, data in columns)


def _text(text: str) -> bytes:
    raw = text.encode()
    return bytes([len(raw)]) + raw
