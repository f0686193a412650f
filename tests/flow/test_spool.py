"""The spool through torn writes, damage, a full disk and its own removal: nothing is lost."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from penstock.errors import DataDirError, IncarnationError, SpoolFullError
from penstock.project import load
from penstock.sources import spool as spool_module
from penstock.sources.http import HttpSource
from penstock.sources.spool import Spool

from .faults import Known, Landing, PlatformProcess, check, homes, readings

HEADER = 24
BODIES = [readings(first, first + 20) for first in (0, 20, 40)]


def opened(folder: Path, *, landed: dict[int, int] | None = None) -> Spool:
    spool = Spool(folder, limit=1 << 30)
    spool.resume(landed or {})
    return spool


def filled(folder: Path) -> Path:
    """Three frames of 20 rows, each acknowledged by itself; gives their file."""
    spool = opened(folder)
    for body in BODIES:
        spool.append([(body, 20)])
    spool.close()
    (path,) = folder.glob("*.log")
    return path


def held(spool: Spool) -> bytes:
    frames = spool.next_frames(rows=10**9, size=10**9)
    return spool.read(1, frames[0].start, frames[-1].stop)[0] if frames else b""


@pytest.mark.parametrize("kept", [1, 4, HEADER - 1, HEADER, HEADER + 1, HEADER + 700, -1, "rotten"])
def test_a_torn_tail_is_cut_off(tmp_path: Path, kept: int | str) -> None:
    """A kill or a power cut left part of a frame that nobody was told of."""
    path = filled(tmp_path)
    whole = path.read_bytes()
    size = len(whole)
    spool = opened(tmp_path)
    spool.append([(readings(900, 920), 20)])
    spool.close()
    frame = path.read_bytes()[size:]
    torn = frame[:-9] + b"........\n" if kept == "rotten" else frame[:kept]  # type: ignore[misc]
    path.write_bytes(whole + torn)
    again = opened(tmp_path)
    assert held(again) == b"".join(BODIES)
    assert path.read_bytes() == whole
    again.append([(readings(60, 80), 20)])
    again.close()
    assert held(opened(tmp_path)) == b"".join(BODIES) + readings(60, 80)


@pytest.mark.parametrize("offset", [0, 9, HEADER + 100], ids=["magic", "length", "record"])
def test_damage_before_the_end_is_no_torn_tail(tmp_path: Path, offset: int) -> None:
    """Rows that were acknowledged stand behind it: they are not thrown away in silence."""
    path = filled(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[HEADER + len(BODIES[0]) + offset] ^= 0x40
    path.write_bytes(raw)
    with pytest.raises(DataDirError) as refused:
        held(opened(tmp_path))
    assert "damaged" in refused.value.what
    assert path.name in refused.value.where
    assert path.read_bytes() == raw, "the file was changed"


def test_the_lander_stops_at_a_damaged_frame(tmp_path: Path) -> None:
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        landing.send(20)
        landing.land()
        landing.send(20)
        (path,) = landing.source.spool._folder.glob("*.log")
        with path.open("r+b") as file:
            file.seek(-50, os.SEEK_END)
            file.write(b"#")
        with pytest.raises(DataDirError, match="rows 20 to 40 of segment 1 are damaged"):
            landing.land()
        assert landing.ledger.open_intents() == []
        landing.known.acknowledged = Counter(readings(0, 20).splitlines())
        assert landing.check() == []


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Stands for a full disk where none can be mounted: writes past `size` bytes fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def offer(source: HttpSource, count: int) -> tuple[list[bytes], list[BaseException]]:
    """Send bodies side by side; gives those acknowledged and the errors of the others."""
    bodies = [readings(n * 50, n * 50 + 50) for n in range(count)]
    sent = [source.accept(body, 50) for body in bodies]
    answers = await asyncio.wait_for(asyncio.gather(*sent, return_exceptions=True), 30)
    taken = [b for b, a in zip(bodies, answers, strict=True) if not isinstance(a, BaseException)]
    return taken, [answer for answer in answers if isinstance(answer, BaseException)]


@pytest.mark.parametrize("segment_bytes", [1 << 26, 20_000], ids=["one-segment", "segments"])
def test_a_full_disk_refuses_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, segment_bytes: int
) -> None:
    """Every sender gets an answer, what was acknowledged stays, and later ones are taken."""
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", segment_bytes)
    source = HttpSource("homes", "readings", tmp_path, limit=1 << 30)
    source.resume({})

    async def through() -> list[bytes]:
        taken, _ = await offer(source, 3)
        with no_file_beyond(sum(map(len, taken)) + 5_000):
            for _ in range(3):
                more, errors = await offer(source, 40)
                assert errors, "the disk was not full"
                assert {type(error) for error in errors} == {SpoolFullError}, errors[:2]
                taken += more
        more, errors = await offer(source, 2)
        assert errors == []
        return taken + more

    taken = asyncio.run(through())
    source.close()
    again = opened(tmp_path)
    found = Counter[bytes]()
    for number, segment in again._segments.items():
        if segment.frames:
            body, _ = again.read(number, segment.frames[0].start, segment.frames[-1].stop)
            found.update(body.splitlines())
    assert found == Counter(b"".join(taken).splitlines())


def test_a_full_disk_while_a_segment_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file cannot even be made; the sender is refused, and served once it can."""
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 1)
    source = HttpSource("homes", "readings", tmp_path, limit=1 << 30)
    source.resume({})
    nowhere = tmp_path / "full" / "00000002.log"
    real = Spool._path

    async def through() -> None:
        assert (await offer(source, 1))[1] == []
        monkeypatch.setattr(Spool, "_path", lambda _self, _number: nowhere)
        _, errors = await offer(source, 2)
        assert len(errors) == 2
        monkeypatch.setattr(Spool, "_path", real)
        taken, errors = await offer(source, 2)
        assert (len(taken), errors) == (2, [])

    asyncio.run(through())
    source.close()
    assert opened(tmp_path).rows_waiting == 150


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here: a limit on files stands for it above")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_platform_with_a_full_disk_asks_senders_to_wait(tmp_path: Path, small_disk: Path) -> None:
    """429, nothing that was acknowledged is lost, and it takes rows again once there is room."""
    project, data = homes(tmp_path / "project"), tmp_path / "data"
    (data / "spool").mkdir(parents=True)
    (data / "spool" / "homes.readings").symlink_to(small_disk)
    known, statuses = Known(), Counter[int]()
    filler = small_disk / "filler"
    filler.write_bytes(bytes(400_000))
    with PlatformProcess(project, data) as platform:
        for first in range(0, 10_000, 500):
            body = readings(first, first + 500)
            status = platform.post(body)
            statuses[status] += 1
            if status == 202:
                known.acknowledged.update(body.splitlines())
        assert set(statuses) == {202, 429}, statuses
        platform.drain()
        filler.unlink()
        assert platform.post(readings(20_000, 20_500)) == 202
        known.acknowledged.update(readings(20_000, 20_500).splitlines())
        platform.drain()
        assert check(platform.client(), load(project), known) == []
        assert platform.get("/v1/reconcile")["ok"]


def test_a_spool_that_was_removed_is_not_taken_for_the_former_one(tmp_path: Path) -> None:
    """Positions would start at 0 again, and new rows would be taken for landed ones."""
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        landing.send(20)
        landing.land()
        shutil.rmtree(landing.source.spool._folder)
        with pytest.raises(IncarnationError, match="the ledger knows it as"):
            landing.take_over()
        assert landing.check() == []
