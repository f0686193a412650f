"""The metadata store: a SQLite file in the data directory, or a PostgreSQL database.

Everything above speaks SQLAlchemy Core; how the two differ is `dialects`' business alone.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from penstock import __version__
from penstock.errors import StoreDownError
from penstock.store import LEDGER
from penstock.store.dialects import BUSY_SECONDS, Dialect, dialect_of
from penstock.store.schema import HEAD, NOTE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from penstock.settings import Settings

WRITTEN_BY = "penstock_version"
"""The note that says which version of Penstock brought the schema to where it is."""

_PATIENCE = BUSY_SECONDS
"""Seconds that a step waits for a server that is being restarted; opening waits less."""

_PATIENCE_AT_START = 2.0


class Store:
    """The metadata of one platform; safe to share between threads.

    Attributes:
        engine: the SQLAlchemy engine, for tables that have no class of their own here.
        where: the database file, or the address of the database without its password.
    """

    def __init__(self, engine: sa.Engine, dialect: Dialect) -> None:
        self.engine = engine
        self.where = dialect.where
        self._dialect = dialect
        self._patience = _PATIENCE_AT_START
        # Threads queue here: waiting in the database costs a connection, in SQLite it is unfair.
        self._writer = threading.Lock()

    @classmethod
    def of(cls, settings: Settings, data: Path) -> Store:
        """Open the store of a platform: the server that its settings name, or a file in its data.

        Raises:
            PenstockError: as for `open`.
        """
        return cls.open(settings.text("database_url") or data / LEDGER)

    @classmethod
    def open(cls, url_or_path: str | Path) -> Store:
        """Open the store, make it where there is none, and bring its schema up to date.

        Args:
            url_or_path: the database file (not its folder), `sqlite:///file`, or
                `postgresql://user:password@host:port/database`.

        Raises:
            DataDirError: the file cannot be used, or a newer version of Penstock wrote it.
            StoreError: the same of a database of PostgreSQL.
            StoreDownError: its server cannot be reached.
            UsageError: the URL names neither.
        """
        dialect = dialect_of(url_or_path)
        store = cls(dialect.engine(), dialect)
        try:
            store._bring_up_to_date()
        except BaseException:
            store.close()
            raise
        store._patience = _PATIENCE
        return store

    def close(self) -> None:
        """Close all connections; the last one of SQLite folds its write-ahead log into the file."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction that sees one state of the store.

        Raises:
            DataDirError: the file cannot be read.
            StoreError: the server refuses.
            StoreDownError: the server cannot be reached, or went away meanwhile.
        """
        with (
            self._explained(),
            self._connected() as connection,
            self._dialect.transaction(connection, writes=False),
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction that no other writer can interleave with.

        All of it is on the disk when the block has been left, or none of it. Does not nest.

        Raises:
            DataDirError: the file cannot be written: space, permission, another process.
            StoreError: the server refuses, for such a reason.
            StoreDownError: the server cannot be reached, or went away meanwhile. If it did so
                while committing, all of it may be on the disk all the same: look before a repeat.
        """
        with (
            self._writer,
            self._explained(),
            self._connected() as connection,
            self._dialect.transaction(connection, writes=True),
        ):
            yield connection

    def _connected(self) -> sa.Connection:
        """A connection, waiting for a server that is being restarted: nothing was asked yet."""
        deadline = time.monotonic() + self._patience
        pause = 0.05
        while True:
            try:
                return self.engine.connect()
            except DatabaseError as error:
                if not self._dialect.is_away(error) or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the troubles of disk and server into errors that say what to do; others pass."""
        try:
            yield
        except PoolTimeoutError as error:
            raise StoreDownError(
                f"no connection to the metadata store was free for {BUSY_SECONDS} s",
                where=self.where,
                next_step="try again; if it stays so, the server is overloaded",
            ) from error
        except DatabaseError as error:
            explained = self._dialect.explain(error)
            if explained is None:
                raise
            raise explained from error

    def _bring_up_to_date(self) -> None:
        with self.reading() as connection:
            if _revision(connection) == HEAD:
                return
        with self.writing() as connection:
            found = _revision(connection)  # again: another process may have been faster
            if found == HEAD:
                return
            self._refuse_newer(connection, found)
            upgrade(connection, HEAD)
            connection.execute(sa.delete(NOTE).where(NOTE.c.key == WRITTEN_BY))
            connection.execute(sa.insert(NOTE).values(key=WRITTEN_BY, value=__version__))

    def _refuse_newer(self, connection: sa.Connection, found: str | None) -> None:
        """Refuse a schema this version has no migration from; revisions are counted, `0001` on."""
        if found is None or (found.isdigit() and int(found) < int(HEAD)):
            return
        by = None
        if sa.inspect(connection).has_table(NOTE.name):  # who knows what a later schema drops
            by = connection.scalar(sa.select(NOTE.c.value).where(NOTE.c.key == WRITTEN_BY))
        needed = f"Penstock {by}" if by else "a newer Penstock"
        raise self._dialect.refusal(
            f"the data needs {needed} (schema {found}); this is {__version__} (schema {HEAD})",
            where=self.where,
            next_step=f"pip install 'penstock>={by}', {self._dialect.elsewhere}"
            if by
            else f"install the version that wrote it, {self._dialect.elsewhere}",
        )


def upgrade(connection: sa.Connection, revision: str) -> None:
    """Run the missing migrations inside the caller's transaction: all of them or none."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it talks while being imported, too
    # Alembic takes 0.1 s to import, and a store is at head on all starts but the first.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "penstock.store:migrations")
    command.upgrade(config, revision)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found
