"""The store as a file: made, migrated, refused."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

import penstock
from penstock.errors import DataDirError, UsageError
from penstock.store.database import Store
from penstock.store.ledger import Ledger
from penstock.store.schema import BATCH, HEAD, METADATA

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534


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


def make_newer(path: Path, revision: str, version: str | None) -> None:
    Store.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        if version is None:
            connection.execute("DROP TABLE note")
        else:
            connection.execute("UPDATE note SET value = ?", (version,))
    connection.close()


def test_opening_makes_folder_and_file_that_only_the_owner_reads(path: Path, store: Store) -> None:
    assert store.path == path
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


def test_head_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "penstock.store:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [HEAD]
    # Newer and older are told apart by counting, so the revisions must be consecutive numbers.
    revisions = sorted(script.revision for script in scripts.walk_revisions())
    assert revisions == [f"{n:04}" for n in range(1, len(revisions) + 1)]


def test_migrated_schema_equals_the_metadata(store: Store, tmp_path: Path) -> None:
    with store.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        migrated = dump_schema(connection)
    fresh = sa.create_engine(f"sqlite:///{tmp_path / 'fresh.sqlite'}")
    METADATA.create_all(fresh)
    with fresh.connect() as connection:
        assert migrated == dump_schema(connection)
    fresh.dispose()


def dump_schema(connection: sa.Connection) -> dict[str, object]:
    """All that SQLite knows: columns, keys, indices, AUTOINCREMENT (which Alembic compares not)."""
    tables = [
        name
        for (name,) in connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'alembic_version'"
        )
    ]
    found: dict[str, object] = {}
    for table in tables:
        for pragma in ("table_info", "foreign_key_list", "index_list"):
            rows = connection.exec_driver_sql(f"PRAGMA {pragma}({table})").all()
            found[f"{table}.{pragma}"] = sorted(map(str, rows))
        sql = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE name = ?", (table,)
        ).scalar_one()
        found[f"{table}.autoincrement"] = "AUTOINCREMENT" in sql
        constraints = sa.inspect(connection).get_unique_constraints(table)
        found[f"{table}.unique"] = sorted(map(str, constraints))
    assert found["batch.autoincrement"] is True
    return found


def test_schema_can_be_written_for_postgresql() -> None:
    dialect = postgresql.dialect()
    for table in METADATA.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert "CREATE INDEX" in str(CreateIndex(index).compile(dialect=dialect))
    assert "batch BIGSERIAL" in str(CreateTable(BATCH).compile(dialect=dialect))


def test_reopening_keeps_the_data_and_leaves_alembic_out(path: Path, store: Store) -> None:
    Ledger(store).put("boot_id", "b1")
    store.close()
    script = (
        "import sys\n"
        "from penstock.store.database import Store\n"
        "from penstock.store.ledger import Ledger\n"
        "print(Ledger(Store.open(sys.argv[1])).get('boot_id'), 'alembic' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["b1", "False"]


def test_migrating_says_nothing(path: Path) -> None:
    script = (
        "import logging, sys\n"
        "logging.basicConfig(level=logging.INFO)\n"
        "from penstock.store.database import Store\n"
        "Store.open(sys.argv[1]).close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_processes_that_open_a_new_store_at_once_migrate_it_once(path: Path) -> None:
    script = (
        "import sys; from penstock.store.database import Store; Store.open(sys.argv[1]).close()"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", script, str(path)], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    errors = [child.communicate()[1].decode() for child in children]
    assert [child.returncode for child in children] == [0, 0, 0, 0], errors
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
    connection.close()


def test_a_migration_that_fails_leaves_nothing_behind(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE position (foreign_thing TEXT)")  # in the migration's way
    with pytest.raises(sa.exc.OperationalError, match="already exists"):
        Store.open(path)
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    connection.close()
    assert tables == [("position",)]


def test_data_of_a_newer_version_is_refused_by_name(path: Path) -> None:
    make_newer(path, "0099", "7.8.9")
    with pytest.raises(DataDirError, match=r"needs Penstock 7\.8\.9 \(schema 0099\)") as caught:
        Store.open(path)
    assert penstock.__version__ in caught.value.what
    assert "pip install 'penstock>=7.8.9'" in caught.value.next_step
    assert caught.value.where == str(path)


@pytest.mark.parametrize("revision", ["0099", "a1b2c3"])
def test_data_of_an_unknown_version_is_refused(path: Path, revision: str) -> None:
    make_newer(path, revision, None)
    with pytest.raises(DataDirError, match=f"a newer Penstock .*{revision}"):
        Store.open(path)


def test_sqlite_urls_are_paths(path: Path) -> None:
    store = Store.open(f"sqlite:///{path}")
    store.close()
    assert path.exists()


@pytest.mark.parametrize(
    "url", ["postgresql://ann:secret@db/penstock", "sqlite://", "sqlite:///:memory:", "my://[/"]
)
def test_what_is_no_sqlite_file_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Store.open(url)
    assert "secret" not in str(caught.value)
    assert "sqlite:///" in caught.value.next_step


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


def test_a_block_that_raises_writes_nothing(store: Store) -> None:
    ledger = Ledger(store)

    def half() -> None:
        with store.writing() as connection:
            connection.exec_driver_sql("INSERT INTO note VALUES ('half', 'done')")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert ledger.get("half") is None
    ledger.put("next", "works")
