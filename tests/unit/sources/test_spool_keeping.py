"""The spool over time: who may write, what one fsync covers, where it goes on, what it forgets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.unit.sources.spools import ROOMY, body, drained, filled, opened, segments

from penstock.errors import DataDirError
from penstock.sources import spool as spool_module
from penstock.sources.http import HttpSource, Receipt
from penstock.sources.spool import Spool

HOUR_MS = 3_600_000


def now_ms() -> int:
    return int(time.time() * 1000)


# Writing side by side


def test_many_threads_at_once(tmp_path: Path) -> None:
    """Each thread's receipts point at its own records, and all of them are on disk."""
    spool = opened(tmp_path)
    receipts: list[tuple[str, int, int]] = []
    gate = threading.Barrier(8)

    def send(thread: int) -> None:
        gate.wait()
        for n in range(15):
            tag = f"t{thread}n{n}"
            (frame,) = spool.append([body(tag, 2)])
            receipts.append((tag, frame.start, frame.stop))

    threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spool.close()
    again = opened(tmp_path)
    assert again.rows_waiting == 8 * 15 * 2
    for tag, start, stop in receipts:
        assert again.read(1, start, stop)[0] == body(tag, 2)[0]


class Disk:
    """The real fsync, counted; it can be told to take its time or to fail."""

    def __init__(self) -> None:
        self.real = os.fsync
        self.calls = 0
        self.fails = False
        self.pause = 0.0

    def fsync(self, descriptor: int) -> None:
        self.calls += 1
        time.sleep(self.pause)
        if self.fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.real(descriptor)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(os, "fsync", disk.fsync)
    return disk


def test_requests_that_wait_share_one_fsync(tmp_path: Path, disk: Disk) -> None:
    source = HttpSource("homes", "readings", tmp_path, limit=ROOMY)
    source.resume({})
    disk.pause = 0.02

    async def through() -> list[Receipt]:
        first = asyncio.create_task(source.accept(*body("first")))
        await asyncio.sleep(0)  # it is being written when the others come
        others = [source.accept(*body(f"n{n}", 2)) for n in range(100)]
        return [await first, *await asyncio.gather(*others)]

    disk.calls = 0
    first, *others = asyncio.run(through())
    assert 2 <= disk.calls <= 4, "the folder's, the first body's and one or two for all others"
    source.close()
    again = opened(tmp_path)
    assert again.rows_waiting == 203
    assert again.read(1, first.start, first.stop)[0] == body("first")[0]
    lines = drained(again).splitlines(keepends=True)
    for n, receipt in enumerate(others):
        assert b"".join(lines[receipt.start : receipt.stop]) == body(f"n{n}", 2)[0]


def test_an_fsync_that_fails_fails_everyone_who_waited_for_it(tmp_path: Path, disk: Disk) -> None:
    source = HttpSource("homes", "readings", tmp_path, limit=ROOMY)
    source.resume({})

    async def offer(*tags: str) -> list[Receipt | BaseException]:
        sent = [source.accept(*body(tag)) for tag in tags]
        return await asyncio.gather(*sent, return_exceptions=True)

    async def through() -> None:
        assert not any(isinstance(a, BaseException) for a in await offer("a"))
        disk.fails = True
        answers = await asyncio.wait_for(offer("b", "c", "d"), 10)
        assert [type(answer) for answer in answers] == [DataDirError] * 3
        disk.fails = False
        assert not any(isinstance(a, BaseException) for a in await offer("e"))

    asyncio.run(through())
    source.close()
    assert drained(opened(tmp_path)) == body("a")[0] + body("e")[0]


def test_a_sender_that_leaves_harms_nobody(tmp_path: Path) -> None:
    source = HttpSource("homes", "readings", tmp_path, limit=ROOMY)
    source.resume({})

    async def through() -> None:
        leaves = asyncio.create_task(source.accept(*body("leaves")))
        stays = asyncio.create_task(source.accept(*body("stays")))
        await asyncio.sleep(0)
        leaves.cancel()
        receipt = await asyncio.wait_for(stays, 10)
        assert not source.spool.is_landed(receipt.part, receipt.stop)
        await asyncio.wait_for(source.accept(*body("later")), 10)

    asyncio.run(through())
    source.close()
    # What it had sent may be there or not; what was acknowledged is there once.
    lines = Counter(drained(opened(tmp_path)).splitlines(keepends=True))
    for tag in ("stays", "later"):
        assert all(lines[line] == 1 for line in body(tag)[0].splitlines(keepends=True))


WRITER = """
import sys
from pathlib import Path
from penstock.sources.spool import Spool
spool = Spool(Path(sys.argv[1]), limit=1 << 30)
spool.resume({})
for n in range(1_000_000):
    (frame,) = spool.append([(b'{"n":%d}\\n' % n, 1)])
    print(n, frame.segment, frame.start, flush=True)
"""


def test_what_a_killed_writer_had_acknowledged_is_there(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline() for _ in range(200)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += [line for line in writer.stdout if line.endswith(b"\n")]
    writer.wait()
    spool = opened(tmp_path)
    for line in acknowledged:
        n, segment, start = map(int, line.split())
        assert spool.read(segment, start, start + 1)[0] == b'{"n":%d}\n' % n
    assert spool.rows_waiting - len(acknowledged) in {0, 1}  # one it could not tell of any more


# Two openers


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    """The second is refused, or both are right."""
    one = opened(tmp_path)
    one.append([body("one")])
    acknowledged = [body("one")[0]]
    with contextlib.suppress(DataDirError):
        two = opened(tmp_path)
        two.append([body("two")])
        acknowledged.append(body("two")[0])
    one.append([body("more")])
    acknowledged.append(body("more")[0])
    one.close()
    found = Counter(drained(opened(tmp_path)).splitlines())
    assert found == Counter(b"".join(acknowledged).splitlines())


# Where it goes on


def test_it_goes_on_where_the_ledger_is(tmp_path: Path) -> None:
    filled(tmp_path, "a", "b", "c")
    spool = opened(tmp_path, landed={1: 6})
    assert [(f.start, f.stop) for f in spool.next_frames(rows=99, size=999)] == [(6, 9)]
    assert spool.waiting == len(body("c")[0])
    assert spool.is_landed(1, 6)
    assert not spool.is_landed(1, 7)
    assert drained(spool) == body("c")[0]


def test_without_positions_everything_comes_again(tmp_path: Path) -> None:
    """After the engine's data was lost: landed records that are still kept can be landed again."""
    records = filled(tmp_path, "a", "b")
    assert drained(opened(tmp_path, landed={1: 6})) == b""
    assert drained(opened(tmp_path)) == records


def test_numbers_of_segments_are_never_used_again(tmp_path: Path) -> None:
    """The ledger knows rows of segment 4 as landed: a new segment must not be taken for it."""
    spool = opened(tmp_path, landed={3: 10, 4: 7})
    (frame,) = spool.append([body("a")])
    assert (frame.segment, frame.start) == (5, 0)
    assert not spool.is_landed(5, 3)
    assert drained(spool) == body("a")[0]


def test_a_segment_shorter_than_the_ledger_says(tmp_path: Path) -> None:
    """A last frame that rotted is cut off like a torn one; or an older copy was put back."""
    filled(tmp_path, "a", "b")
    (path,) = segments(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    spool = Spool(tmp_path, limit=ROOMY)
    try:
        spool.resume({1: 6})
        (frame,) = spool.append([body("new")])
    except DataDirError:
        return  # to say so is right, too
    assert not spool.is_landed(frame.segment, frame.stop)


def test_another_folder_is_another_spool(tmp_path: Path) -> None:
    one, two = opened(tmp_path / "one"), opened(tmp_path / "two")
    assert one.incarnation
    assert one.incarnation != two.incarnation
    one.close()
    assert opened(tmp_path / "one").incarnation == one.incarnation


# Keeping


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    """Four segments with a frame each; the first two are landed."""
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 1)
    spool = opened(tmp_path)
    for tag in "abcd":
        spool.append([body(tag)])
    spool.landed(1, 3)
    spool.landed(2, 3)
    return spool


def numbers(folder: Path) -> list[int]:
    return [int(path.stem) for path in segments(folder)]


def test_what_is_landed_and_old_is_forgotten(tmp_path: Path, kept: Spool) -> None:
    sizes = {int(path.stem): path.stat().st_size for path in segments(tmp_path)}
    assert kept.forget(older_ms=now_ms() + HOUR_MS) == sizes[1] + sizes[2]
    assert numbers(tmp_path) == [3, 4]
    assert kept.forget(older_ms=now_ms() + HOUR_MS) == 0
    assert drained(kept) == body("c")[0] + body("d")[0]


def test_what_is_young_stays(tmp_path: Path, kept: Spool) -> None:
    assert kept.forget(older_ms=now_ms() - HOUR_MS) == 0
    assert numbers(tmp_path) == [1, 2, 3, 4]


def test_what_is_not_landed_stays_however_old(tmp_path: Path, kept: Spool) -> None:
    kept.close()
    again = opened(tmp_path, landed={1: 3})
    assert again.forget(older_ms=now_ms() + 24 * HOUR_MS) > 0
    assert numbers(tmp_path) == [2, 3, 4]
    assert again.rows_waiting == 9


def test_the_newest_segment_stays(tmp_path: Path, kept: Spool) -> None:
    """It carries the numbering on, and is being written to."""
    drained(kept)
    assert kept.forget(older_ms=now_ms() + HOUR_MS) > 0
    assert numbers(tmp_path) == [4]
    kept.append([body("e")])
    assert drained(kept) == body("e")[0]


def test_before_the_ledger_has_spoken_nothing_is_forgotten(tmp_path: Path, kept: Spool) -> None:
    kept.close()
    again = Spool(tmp_path, limit=ROOMY)
    assert again.forget(older_ms=now_ms() + HOUR_MS) == 0
    assert numbers(tmp_path) == [1, 2, 3, 4]


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
def test_what_waited_long_is_kept_after_its_landing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    """Landing was blocked for two hours; an hour must be left to find out that it went wrong."""
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 1)
    real = time.time
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: real() - 7200)
        spool = opened(tmp_path)
        spool.append([body("a")])
        spool.append([body("b")])
    spool.landed(1, 3)
    if restarted:
        spool.close()
        spool = opened(tmp_path, landed={1: 3})
    assert spool.forget(older_ms=now_ms() - HOUR_MS) == 0
    assert numbers(tmp_path) == [1, 2]
