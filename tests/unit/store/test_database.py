"""The store on both databases: made, migrated, refused."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import penstock
from penstock.errors import DataDirError, StoreError, UsageError
from penstock.store.database import Store, upgrade
from penstock.store.dialects import dialect_of
from penstock.store.ledger import Ledger, Span, Stream, Totals
from penstock.store.schema import HEAD, METADATA

if TYPE_CHECKING:
    from collections.abc import Callable

REVISIONS = [f"{number:04}" for number in range(1, int(HEAD))]


def make_newer(place: str, revision: str, version: str | None) -> None:
    store = Store.open(place)
    with store.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
        if version is None:
            connection.execute(sa.text("DROP TABLE note"))
        else:
            connection.execute(sa.text("UPDATE note SET value = :v"), {"v": version})
    store.close()


def test_head_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "penstock.store:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [HEAD]
    # Newer and older are told apart by counting, so the revisions must be consecutive numbers.
    revisions = sorted(script.revision for script in scripts.walk_revisions())
    assert revisions == [f"{n:04}" for n in range(1, len(revisions) + 1)]


def test_migrated_schema_equals_the_metadata(store: Store, places: Callable[[], str]) -> None:
    with store.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        migrated = dump_schema(connection)
    fresh = dialect_of(places()).engine()
    METADATA.create_all(fresh)
    with fresh.connect() as connection:
        assert migrated == dump_schema(connection)
    fresh.dispose()


def dump_schema(connection: sa.Connection) -> dict[str, object]:
    """All that the database knows: columns, defaults, keys, indices (Alembic compares not all)."""
    inspector = sa.inspect(connection)
    here = inspector.default_schema_name or ""
    found: dict[str, object] = {}
    for table in sorted(set(inspector.get_table_names()) - {"alembic_version"}):
        for kind in ("columns", "foreign_keys", "indexes", "unique_constraints"):
            rows = getattr(inspector, f"get_{kind}")(table)
            for row in rows:
                options = row.get("dialect_options", {})
                options |= {name: str(value) for name, value in options.items()}
            found[f"{table}.{kind}"] = sorted(str(row).replace(here, "") for row in rows)
        found[f"{table}.pk"] = str(inspector.get_pk_constraint(table))
        found[f"{table}.numbered"] = numbered(connection, table)
    assert found["batch.numbered"] is True
    return found


def numbered(connection: sa.Connection, table: str) -> bool:
    """Whether the database numbers the rows, and never hands a number out again."""
    if connection.dialect.name == "sqlite":
        text = "SELECT sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE name = :table"
    else:
        text = (
            "SELECT count(*) > 0 FROM information_schema.columns WHERE table_name = :table"
            " AND table_schema = current_schema() AND column_default LIKE 'nextval%'"
        )
    return bool(connection.scalar(sa.text(text), {"table": table}))


_BATCH = (
    "INSERT INTO batch (batch, stream_id, epoch, spans, rows, size, fingerprint, ingested_ms,"
    " token, attempts, error, good, dead, closed_no, closed_ms) VALUES "
)
# As the first schema has it; the ledger of today writes columns that came later.
_STREAM = (
    "INSERT INTO stream (id, domain, source, incarnation, epoch, rows, good, dead, batches,"
    " last_ingested_ms) VALUES "
)
FORMER = (
    _STREAM + "(3, 'homes', 'readings', 'spool-1', 2, 5, 4, 1, 1, 7)",
    _BATCH + "(6, 3, 2, '[[0, 0, 5]]', 5, 1, 'f', 7, 't6', 0, '', 4, 1, 1, 8)",
    _BATCH + "(8, 3, 2, '[[0, 5, 10]]', 5, 1, 'f', 7, 't8', 0, '', 0, 0, NULL, NULL)",
    "INSERT INTO position (stream_id, part, next_row, open_batch) VALUES (3, 0, 5, 8)",
    "INSERT INTO note (key, value) VALUES ('boot_id', 'b1')",
    "INSERT INTO table_version (name, version) VALUES ('homes.readings', 9)",
)


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_former_schema_is_brought_up_with_its_data(place: str, revision: str) -> None:
    """What stood in the store before stands there after; what was open can be closed."""
    dialect = dialect_of(place)
    former = Store(dialect.engine(), dialect)
    with former.writing() as connection:
        upgrade(connection, revision)
        for statement in FORMER:
            connection.execute(sa.text(statement))
    former.close()

    store = Store.open(place)
    ledger = Ledger(store)
    assert ledger.stream("homes", "readings", "spool-1") == Stream(
        3, "homes", "readings", "spool-1", 2
    )
    (closed,), (intent,) = ledger.batches(), ledger.open_intents()
    assert (closed.batch, closed.spans, closed.good) == (6, (Span(0, 0, 5),), 4)
    assert (intent.batch, intent.spans, intent.epoch) == (8, (Span(0, 5, 10),), 2)
    assert ledger.totals() == {("homes", "readings"): Totals(5, 4, 1, 1, 7)}
    assert (ledger.versions(), ledger.positions(3)) == ({"homes.readings": 9}, {0: 5})
    assert ledger.get("boot_id") == "b1"
    assert ledger.get("penstock_version") == penstock.__version__
    assert ledger.close(intent, good=5, dead=0).batch > closed.batch
    assert ledger.positions(3) == {0: 10}
    with store.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    store.close()


def test_reopening_keeps_the_data_and_leaves_alembic_out(place: str, store: Store) -> None:
    Ledger(store).put("boot_id", "b1")
    store.close()
    script = (
        "import sys\n"
        "from penstock.store.database import Store\n"
        "from penstock.store.ledger import Ledger\n"
        "print(Ledger(Store.open(sys.argv[1])).get('boot_id'), 'alembic' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, place], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["b1", "False"]


def test_migrating_says_nothing(place: str) -> None:
    script = (
        "import logging, sys\n"
        "logging.basicConfig(level=logging.INFO)\n"
        "from penstock.store.database import Store\n"
        "Store.open(sys.argv[1]).close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, place],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_processes_that_open_a_new_store_at_once_migrate_it_once(place: str) -> None:
    script = (
        "import sys; from penstock.store.database import Store; Store.open(sys.argv[1]).close()"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", script, place], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    errors = [child.communicate()[1].decode() for child in children]
    assert [child.returncode for child in children] == [0, 0, 0, 0], errors
    with Store.open(place).reading() as connection:
        found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars()
        assert found.all() == [HEAD]


def test_a_migration_that_fails_leaves_nothing_behind(place: str) -> None:
    dialect = dialect_of(place)
    store = Store(dialect.engine(), dialect)
    with store.writing() as connection:
        connection.execute(sa.text("CREATE TABLE position (foreign_thing TEXT)"))  # in the way
    with pytest.raises(sa.exc.DatabaseError, match="already exists"):
        Store.open(place)
    with store.reading() as connection:
        assert sa.inspect(connection).get_table_names() == ["position"]
    store.close()


def test_data_of_a_newer_version_is_refused_by_name(place: str) -> None:
    make_newer(place, "0099", "7.8.9")
    with pytest.raises(
        (DataDirError, StoreError), match=r"needs Penstock 7\.8\.9 \(schema 0099\)"
    ) as caught:
        Store.open(place)
    assert penstock.__version__ in caught.value.what
    assert "pip install 'penstock>=7.8.9'" in caught.value.next_step
    assert "another" in caught.value.next_step
    assert caught.value.where == dialect_of(place).where


@pytest.mark.parametrize("revision", ["0099", "a1b2c3"])
def test_data_of_an_unknown_version_is_refused(place: str, revision: str) -> None:
    make_newer(place, revision, None)
    with pytest.raises((DataDirError, StoreError), match=f"a newer Penstock .*{revision}"):
        Store.open(place)


@pytest.mark.parametrize(
    "url", ["mysql://ann:secret@db/penstock", "sqlite://", "sqlite:///:memory:", "my://[/"]
)
def test_what_is_neither_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Store.open(url)
    assert "secret" not in str(caught.value)
    assert "sqlite:///" in caught.value.next_step
    assert "postgresql://" in caught.value.next_step


def test_a_reader_sees_one_state(store: Store) -> None:
    ledger = Ledger(store)
    ledger.put("key", "before")
    with store.reading() as connection:
        query = sa.text("SELECT value FROM note WHERE key = 'key'")
        assert connection.scalar(query) == "before"
        ledger.put("key", "after")  # readers and writers do not wait for each other
        assert connection.scalar(query) == "before"
    assert ledger.get("key") == "after"


def test_a_writer_waits_for_the_one_before_and_sees_what_it_wrote(place: str, store: Store) -> None:
    """Two processes that count up at the same time lose no count."""
    script = (
        "import sys, sqlalchemy as sa\n"
        "from penstock.store.database import Store\n"
        "from penstock.store.schema import NOTE\n"
        "store = Store.open(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "for _ in range(100):\n"
        "    with store.writing() as c:\n"
        "        n = int(c.scalar(sa.select(NOTE.c.value).where(NOTE.c.key == 'n')))\n"
        "        c.execute(sa.update(NOTE).where(NOTE.c.key == 'n').values(value=str(n + 1)))\n"
    )
    Ledger(store).put("n", "0")
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, place],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    assert [child.wait(60) for child in children] == [0, 0]
    assert Ledger(store).get("n") == "200"


def test_a_block_that_raises_writes_nothing(store: Store) -> None:
    ledger = Ledger(store)

    def half() -> None:
        with store.writing() as connection:
            connection.execute(sa.text("INSERT INTO note VALUES ('half', 'done')"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert ledger.get("half") is None
    ledger.put("next", "works")
