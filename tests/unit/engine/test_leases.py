"""The fence: once a newer lander was seen, an older one writes nothing any more."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from penstock.engine.leases import Leases
from penstock.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

STALE = 1001


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "leases.json"


def assert_over(leases: Leases, lease: str, *, holder: int) -> None:
    with pytest.raises(EngineError, match=f"{holder} holds it now") as caught:
        leases.check(lease)
    assert caught.value.code == STALE
    assert caught.value.what.startswith(f"Code: {STALE}.")


def test_an_epoch_never_goes_down(path: Path) -> None:
    leases = Leases(path)
    for epoch in (1, 1, 2, 5, 5):
        leases.check(f"homes.readings={epoch}")
    for epoch in (4, 1, 0):
        assert_over(leases, f"homes.readings={epoch}", holder=5)
    leases.check("homes.readings=5")


def test_streams_do_not_know_each_other(path: Path) -> None:
    leases = Leases(path)
    leases.check("homes.readings=7")
    leases.check("homes.meters=1")
    leases.check("a=b=2")  # the epoch is what stands behind the last one
    assert_over(leases, "a=b=1", holder=2)
    leases.check("a=1")
    assert_over(leases, "homes.readings=6", holder=7)


def test_a_restart_forgets_nothing(path: Path) -> None:
    Leases(path).check("homes.readings=7")
    again = Leases(path)
    assert_over(again, "homes.readings=6", holder=7)
    again.check("homes.readings=8")
    assert_over(Leases(path), "homes.readings=7", holder=8)


def test_the_file_is_written_only_as_an_epoch_rises(path: Path) -> None:
    """Each insert carries its lease: one fsync an insert would be felt."""
    leases = Leases(path)
    leases.check("homes.readings=3")
    written = path.stat().st_ino, path.stat().st_mtime_ns
    for _ in range(5):
        leases.check("homes.readings=3")
    assert_over(leases, "homes.readings=2", holder=3)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == written
    leases.check("homes.readings=4")
    assert json.loads(path.read_text()) == {"homes.readings": 4}
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "lease",
    ["", "=", "homes", "homes=", "homes=x", "homes=-1", "homes=1.5", "homes= 1", "homes=1=",
     "7", "=7"],
)  # fmt: skip
def test_what_is_no_lease_is_refused(path: Path, lease: str) -> None:
    with pytest.raises(EngineError, match="is no lease") as caught:
        Leases(path).check(lease)
    assert caught.value.code == 36
    assert not path.exists()


def test_many_threads_see_one_order(path: Path) -> None:
    """The highest epoch is on disk; nobody passes with a lower one after it was seen."""
    leases = Leases(path)
    gate = threading.Barrier(8)
    passed: list[int] = []

    def climb(thread: int) -> None:
        gate.wait()
        for epoch in range(thread, 80, 8):
            try:
                leases.check(f"s={epoch}")
            except EngineError as error:
                assert error.code == STALE  # noqa: PT017 - both ways are right
            else:
                passed.append(epoch)

    threads = [threading.Thread(target=climb, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 79 in passed
    assert json.loads(path.read_text()) == {"s": 79}
    assert_over(leases, "s=78", holder=79)


def test_a_save_that_was_interrupted_is_no_harm(path: Path) -> None:
    Leases(path).check("s=3")
    path.with_suffix(".new").write_bytes(b'{"s":')
    again = Leases(path)
    assert_over(again, "s=2", holder=3)
    again.check("s=4")
    assert_over(Leases(path), "s=3", holder=4)


def test_an_epoch_that_could_not_be_saved_was_not_seen(tmp_path: Path) -> None:
    path = tmp_path / "later" / "leases.json"
    leases = Leases(path)
    with pytest.raises(OSError, match="leases"):
        leases.check("s=3")
    path.parent.mkdir()
    leases.check("s=3")
    assert_over(Leases(path), "s=2", holder=3)


def test_of_several_parts_an_older_one_refuses_all(tmp_path: Path) -> None:
    leases = Leases(tmp_path / "leases.json")
    leases.check("m.r/0=4,m.r/1=4")
    leases.check("m.r/1=6,m.r/2=6")
    with pytest.raises(EngineError, match=r"lease 5 of m.r/1 is over: 6"):
        leases.check("m.r/0=5,m.r/1=5")
    with pytest.raises(EngineError, match="no lease"):
        leases.check("m.r/0=9,m.r/1")
    again = Leases(tmp_path / "leases.json")
    again.check("m.r/0=4")  # nothing of what was refused has been noted
    with pytest.raises(EngineError, match="over"):
        again.check("m.r/2=5")
