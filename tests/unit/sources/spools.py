"""What the tests of the spool share."""

from __future__ import annotations

from pathlib import Path

from penstock.sources.spool import Spool

HEADER = 32
ROOMY = 1 << 30
Body = tuple[bytes, int]


def body(tag: str, rows: int = 3) -> Body:
    """Records that name their tag and their place."""
    return b"".join(b'{"%s":%d}\n' % (tag.encode(), n) for n in range(rows)), rows


def opened(folder: Path, *, landed: dict[int, int] | None = None, limit: int = ROOMY) -> Spool:
    spool = Spool(folder, limit=limit)
    spool.resume(landed or {})
    return spool


def filled(folder: Path, *tags: str) -> bytes:
    """One acknowledged frame a tag; gives their records."""
    spool = opened(folder)
    for tag in tags:
        spool.append([body(tag)])
    spool.close()
    return b"".join(body(tag)[0] for tag in tags)


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


def drained(spool: Spool) -> bytes:
    """Everything that waits, landed as it is read; the ranges are those a lander would take."""
    found = b""
    while frames := spool.next_frames(rows=10**9, size=10**9):
        number, start, stop = frames[0].segment, frames[0].start, frames[-1].stop
        found += spool.read(number, start, stop)[0]
        spool.landed(number, stop)
    return found
