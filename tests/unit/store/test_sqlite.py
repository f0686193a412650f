"""The store as a file of SQLite: made, refused, full, locked."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from penstock.errors import DataDirError
from penstock.store.database import Store
from penstock.store.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOBODY = 65534


@pytest.fixture
def places(path: Path) -> Callable[[], str]:
    """Here all stores are files."""
    return lambda: str(path)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Drop root for a while: root may write anywhere, so nothing would be refused."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def locked_folder() -> Iterator[Path]:
    # Not tmp_path: its parents are closed to everyone else, the refusal would be another one.
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_opening_makes_folder_and_file_that_only_the_owner_reads(path: Path, store: Store) -> None:
    assert store.where == str(path)
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file


def test_every_connection_is_durable(store: Store) -> None:
    with store.reading() as first, store.reading() as second:
        for connection in (first, second):
            pragmas = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
            assert pragmas == {
                "journal_mode": "wal",
                "synchronous": 2,
                "foreign_keys": 1,
                "busy_timeout": 15000,
            }


def test_sqlite_urls_are_paths(path: Path) -> None:
    store = Store.open(f"sqlite:///{path}")
    store.close()
    assert path.exists()


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataDirError, match="a folder is there"):
        Store.open(tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DataDirError, match="cannot be made") as caught:
        Store.open(tmp_path / "data" / "penstock.sqlite")
    assert "PENSTOCK_DATA" in caught.value.next_step


def test_a_folder_that_may_not_be_written_is_refused(locked_folder: Path) -> None:
    locked_folder.chmod(0o555)
    with unprivileged(), pytest.raises(DataDirError, match="Permission denied") as caught:
        Store.open(locked_folder / "data" / "penstock.sqlite")
    assert "this user may write" in caught.value.next_step


@pytest.mark.parametrize(("mode", "words"), [(0o444, "written|opened"), (0o000, "opened")])
def test_a_file_that_may_not_be_used_is_refused(locked_folder: Path, mode: int, words: str) -> None:
    path = locked_folder / "penstock.sqlite"
    store = Store.open(path)
    store.close()
    path.chmod(mode)
    locked_folder.chmod(0o555)
    with unprivileged(), pytest.raises(DataDirError, match=f"cannot be ({words})") as caught:
        Ledger(Store.open(path)).put("key", "value")
    assert "give this user the right" in caught.value.next_step


def test_a_file_of_another_kind_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, it is a letter to a friend. " * 100)
    with pytest.raises(DataDirError, match="is not a SQLite file"):
        Store.open(path)


def test_a_full_disk_is_explained_and_loses_nothing(store: Store) -> None:
    ledger = Ledger(store)
    ledger.put("kept", "yes")
    room = {"pages": 0}
    event.listen(
        store.engine,
        "checkout",
        lambda raw, *_: raw.execute(f"PRAGMA max_page_count = {room['pages'] or 1_000_000}"),
    )
    with store.reading() as connection:
        room["pages"] = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    with pytest.raises(DataDirError, match="the disk is full") as caught:
        ledger.put("big", "x" * 1_000_000)
    assert "free some space" in caught.value.next_step
    assert (ledger.get("kept"), ledger.get("big")) == ("yes", None)
    room["pages"] = 0
    ledger.put("big", "x" * 1_000_000)
    assert len(ledger.get("big") or "") == 1_000_000


def test_another_process_that_never_lets_go_is_named_as_the_cause(store: Store, path: Path) -> None:
    event.listen(store.engine, "checkout", lambda raw, *_: raw.execute("PRAGMA busy_timeout = 50"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DataDirError, match="locked by another process"):
        Ledger(store).put("key", "value")
    other.execute("ROLLBACK")
    other.close()
    Ledger(store).put("key", "value")


def test_a_writer_has_the_lock_before_its_first_statement(store: Store, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None, timeout=0)
    with store.writing(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    with store.reading():  # readers and writers do not wait for each other
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    other.close()
