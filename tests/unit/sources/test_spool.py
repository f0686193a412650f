"""The spool: what was acknowledged is read again, byte for byte, whatever happened in between."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.sources.spools import HEADER, ROOMY, body, drained, filled, opened, segments

from penstock.errors import DataDirError, SpoolFullError
from penstock.sources import spool as spool_module
from penstock.sources.spool import Spool

# Round trip

LINE = st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b" "))
APPEND = st.lists(st.lists(LINE, min_size=1, max_size=4), min_size=1, max_size=3)
LAND = st.tuples(st.integers(1, 12), st.integers(1, 200))
STEPS = st.lists(st.one_of(APPEND, LAND, st.just("reopen")), max_size=25)


class Model:
    """What a spool must hold after each step, beside the spool itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = opened(folder)
        self.waiting: list[bytes] = []  # lines, in the order they must come back
        self.positions: dict[int, int] = {}  # as the ledger has them
        self.next: dict[int, int] = {}  # segment → row that the next receipt begins with

    def append(self, bodies: list[list[bytes]]) -> None:
        sent = [(b"".join(line + b"\n" for line in lines), len(lines)) for lines in bodies]
        receipts = self.spool.append(sent)
        for receipt, (_, rows) in zip(receipts, sent, strict=True):
            assert (receipt.rows, receipt.start) == (rows, self.next.get(receipt.segment, 0))
            assert not self.spool.is_landed(receipt.segment, receipt.stop)
            self.next[receipt.segment] = receipt.stop
        self.waiting += [line for lines in bodies for line in lines]

    def land(self, rows: int, size: int) -> None:
        frames = self.spool.next_frames(rows=rows, size=size)
        assert bool(frames) == bool(self.waiting)
        if not frames:
            return
        if len(frames) > 1:
            assert sum(f.rows for f in frames) <= rows
            assert sum(f.size for f in frames) <= size
        number, start, stop = frames[0].segment, frames[0].start, frames[-1].stop
        assert start == self.positions.get(number, 0)
        records, read = self.spool.read(number, start, stop)
        assert read == frames
        lines = records.split(b"\n")[:-1]
        assert len(lines) == stop - start
        assert lines == self.waiting[: len(lines)]
        self.spool.landed(number, stop)
        self.positions[number] = stop
        self.waiting = self.waiting[len(lines) :]

    def reopen(self) -> None:
        self.spool.close()
        self.spool = opened(self.folder, landed=self.positions)

    def check(self) -> None:
        assert self.spool.rows_waiting == len(self.waiting)
        assert self.spool.waiting == sum(len(line) + 1 for line in self.waiting)


@settings(deadline=None, max_examples=60)
@given(steps=STEPS, segment_bytes=st.sampled_from([1, 150, 1 << 26]))
def test_what_goes_in_comes_out_in_order_and_once(steps: list[object], segment_bytes: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(spool_module, "SEGMENT_BYTES", segment_bytes)
        model = Model(Path(folder))
        for step in steps:
            if isinstance(step, list):
                model.append(step)
            elif isinstance(step, tuple):
                model.land(*step)
            else:
                model.reopen()
            model.check()
        model.reopen()
        assert drained(model.spool) == b"".join(line + b"\n" for line in model.waiting)
        model.spool.close()


def test_counts_are_of_one_instant_and_of_this_start(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append([body("a"), body("b", 2)])
    assert spool.counts() == (5, 5)
    spool.landed(1, 5)
    assert spool.counts() == (5, 0)
    spool.append([body("c")])
    spool.close()
    assert opened(tmp_path, landed={1: 5}).counts() == (0, 3)


def test_ranges_that_are_not_frames_are_refused(tmp_path: Path) -> None:
    filled(tmp_path, "a", "b")
    spool = opened(tmp_path)
    for segment, start, stop in [(1, 0, 4), (1, 1, 3), (1, 3, 9), (1, 6, 9), (1, 3, 3), (2, 0, 3)]:
        with pytest.raises(DataDirError, match=f"no rows {start} to {stop} of segment {segment}"):
            spool.read(segment, start, stop)
    assert spool.read(1, 3, 6)[0] == body("b")[0]


# Rotation


def test_a_full_segment_is_followed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 2 * (HEADER + len(body("a")[0])))
    spool = opened(tmp_path)
    found = [spool.append([body(tag)])[0] for tag in "abcde"]
    assert [(f.segment, f.start) for f in found] == [(1, 0), (1, 3), (2, 0), (2, 3), (3, 0)]
    assert [path.name for path in segments(tmp_path)] == [f"0000000{n}.log" for n in (1, 2, 3)]
    # A batch never reaches over the end of a segment.
    assert {f.segment for f in spool.next_frames(rows=10**9, size=10**9)} == {1}
    spool.close()
    again = opened(tmp_path)
    assert again.append([body("f")])[0].segment == 3
    assert drained(again) == b"".join(body(tag)[0] for tag in "abcdef")


def test_many_single_records_turn_the_segment_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "SEGMENT_FRAMES", 4)
    spool = opened(tmp_path)
    numbers = []
    for _ in range(10):
        (frame,) = spool.append([body("a", 1)])
        spool.landed(frame.segment, frame.stop)  # what is landed counts, too
        numbers.append(frame.segment)
    assert numbers == [1] * 4 + [2] * 4 + [3] * 2


# Torn tails and damage


@pytest.mark.parametrize("zeros", [False, True], ids=["cut", "zeros"])
def test_every_torn_tail_is_cut_off_and_nothing_else(tmp_path: Path, zeros: bool) -> None:
    """The last frame cut at each byte; or whole in length, with the rest never written."""
    acknowledged = filled(tmp_path, "a", "b")
    (path,) = segments(tmp_path)
    whole = path.read_bytes()
    filled(tmp_path, "torn")
    frame = path.read_bytes()[len(whole) :]
    # Zeros inside a header have a test of their own below.
    lengths = [*range(4), *range(HEADER, len(frame) - 1)] if zeros else range(len(frame))
    for kept in lengths:
        path.write_bytes(whole + frame[:kept] + bytes(zeros * (len(frame) - kept)))
        spool = opened(tmp_path)
        assert path.read_bytes() == whole, kept
        (next_one,) = spool.append([body("next")])
        assert (next_one.segment, next_one.start) == (1, 6)
        assert drained(spool) == acknowledged + body("next")[0], kept
        spool.close()
        assert drained(opened(tmp_path)) == acknowledged + body("next")[0], kept


def test_a_torn_header_is_no_frame(tmp_path: Path) -> None:
    """The file grew, a power cut came, and only the page before a header's middle was written."""
    acknowledged = filled(tmp_path, "a", "b")
    (path,) = segments(tmp_path)
    whole = path.read_bytes()
    filled(tmp_path, "torn")
    frame = path.read_bytes()[len(whole) :]
    found = {}
    for kept in range(4, HEADER):
        path.write_bytes(whole + frame[:kept] + bytes(len(frame) - kept))
        spool = opened(tmp_path)
        found[kept] = spool.rows_waiting
        with contextlib.suppress(DataDirError):
            assert drained(spool) == acknowledged
        spool.close()
    assert found == dict.fromkeys(range(4, HEADER), 6)


def flipped(folder: Path, path: Path, whole: bytes, at: int, bit: int) -> bytes | DataDirError:
    """What a spool gives whose file has one bit turned."""
    raw = bytearray(whole)
    raw[at] ^= bit
    path.write_bytes(raw)
    try:
        spool = opened(folder)
    except DataDirError as error:
        return error
    try:
        return drained(spool)
    except DataDirError as error:
        return error
    finally:
        spool.close()


def test_a_flipped_byte_is_noticed(tmp_path: Path) -> None:
    """Never other records than those that were acknowledged, never fewer without a word.

    In the last frame it looks like a torn one: that may go, but never what stands before it.
    """
    acknowledged = filled(tmp_path, "a", "b", "c")
    (path,) = segments(tmp_path)
    whole = path.read_bytes()
    size = HEADER + len(body("a")[0])
    for at in range(len(whole)):
        for bit in (0x01, 0x80):
            found = flipped(tmp_path, path, whole, at, bit)
            if isinstance(found, DataDirError):
                assert "damaged" in found.what
                assert path.name in found.where
                assert found.next_step
            else:
                assert at >= 2 * size, f"byte {at} was not noticed"
                assert found in (acknowledged, acknowledged[: 2 * len(body("a")[0])])


def test_a_flipped_count_of_rows_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path, "a", "b", "c")
    (path,) = segments(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[4] ^= 0x01  # frame a: 2 rows instead of 3; a and b are landed, c waits
    path.write_bytes(raw)
    try:
        found = drained(opened(tmp_path, landed={1: 6}))
    except DataDirError:
        return
    assert found == body("c")[0], "rows that were acknowledged would never be landed"


def test_a_stranger_s_file_in_the_place_of_a_segment(tmp_path: Path) -> None:
    """Nothing in it was acknowledged; what is taken from now on is found again."""
    filled(tmp_path, "a")
    (path,) = segments(tmp_path)
    path.write_bytes(b"not ours")
    spool = opened(tmp_path)
    spool.append([body("b")])
    assert drained(spool) == body("b")[0]


# Bounds


def test_a_full_spool_says_so_and_takes_nothing(tmp_path: Path) -> None:
    records, rows = body("a", 10)
    spool = opened(tmp_path, limit=3 * len(records))
    for _ in range(3):
        spool.append([(records, rows)])
    before = segments(tmp_path)[0].read_bytes()
    with pytest.raises(SpoolFullError) as refused:
        spool.append([body("b", 1)])
    assert f"{3 * len(records):,} bytes wait" in refused.value.what
    assert f"bound is {3 * len(records):,}" in refused.value.what
    assert refused.value.where == str(tmp_path)
    assert "Retry-After" in refused.value.next_step
    assert segments(tmp_path)[0].read_bytes() == before
    assert spool.counts() == (30, 30)
    spool.landed(1, 10)
    spool.append([body("b", 1)])
    assert drained(spool) == 2 * records + body("b", 1)[0]


def test_the_bound_holds_after_a_restart(tmp_path: Path) -> None:
    records, rows = body("a", 10)
    filled(tmp_path, "x")
    spool = opened(tmp_path, limit=len(body("x")[0]))
    with pytest.raises(SpoolFullError):
        spool.append([(records, rows)])
    spool.close()
    landed = opened(tmp_path, landed={1: 3}, limit=len(records))
    landed.append([(records, rows)])


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Stands for a full disk: writes past `size` bytes of a file fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_says_so_and_takes_nothing(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append([body("a")])
    (path,) = segments(tmp_path)
    before = path.read_bytes()
    for room in (1, HEADER, HEADER + 5):
        with no_file_beyond(len(before) + room), pytest.raises(SpoolFullError, match="disk is"):
            spool.append([body("b")])
        assert path.read_bytes() == before
    spool.append([body("c")])
    assert drained(spool) == body("a")[0] + body("c")[0]


def test_a_disk_that_fails_says_so_and_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told «taken» before the disk has said it: an fsync that fails fails the sender."""
    spool = opened(tmp_path)
    spool.append([body("a")])

    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(DataDirError, match="cannot be written") as refused:
            spool.append([body("b")])
        assert "check the disk" in refused.value.next_step
    assert spool.counts() == (3, 3)
    spool.append([body("c")])
    spool.close()
    assert drained(opened(tmp_path)) == body("a")[0] + body("c")[0]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataDirError, match="the spool cannot be used") as refused:
        Spool(tmp_path / "file" / "spool", limit=ROOMY)
    assert refused.value.where == str(tmp_path / "file" / "spool")
    assert "PENSTOCK_DATA" in refused.value.next_step
