"""All that SQLite and PostgreSQL do differently: opening, locking, upserts, troubles in words.

Both give the same guarantees. What a step wrote is on the disk when the step returns (SQLite: WAL
with `synchronous=FULL`; PostgreSQL: `synchronous_commit`). A step that writes takes the store's
one lock before it reads (SQLite: the file's write lock by `BEGIN IMMEDIATE`; PostgreSQL: an
advisory lock of the schema), so two processes never interleave. A step that reads sees one state
(SQLite: a WAL snapshot; PostgreSQL: REPEATABLE READ).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError

from penstock.errors import DataDirError, PenstockError, StoreDownError, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

BUSY_SECONDS = 15
"""How long a step waits for another process to finish its own; steps take milliseconds."""

ANOTHER_FOLDER = "or point PENSTOCK_DATA at another folder"

_HINT = "use postgresql://user:password@host:5432/database, sqlite:///path/to/file, or a path"
_WRITES = "penstock_writes"


class Dialect(ABC):
    """One kind of database behind the store.

    Attributes:
        where: names the database to people; without a password.
        elsewhere: what to do where it cannot be used, as the end of a sentence.
        refusal: class of the errors that say so.
    """

    where: str
    elsewhere: str
    refusal: type[PenstockError]

    @abstractmethod
    def engine(self) -> sa.Engine:
        """Make the SQLAlchemy engine, and a file where one is needed."""

    @abstractmethod
    def transaction(
        self, connection: sa.Connection, *, writes: bool
    ) -> AbstractContextManager[None]:
        """Begin a transaction on a fresh connection; the module's docstring says of which kind."""

    @abstractmethod
    def explain(self, error: DatabaseError) -> PenstockError | None:
        """Put a trouble in words; None where it is a mistake of ours."""

    def is_away(self, _error: DatabaseError) -> bool:
        """Whether no connection could be made, and trying again may help."""
        return False


def dialect_of(url_or_path: str | Path) -> Dialect:
    """Read a path or a URL, without ever showing its password.

    Raises:
        UsageError: it names neither a SQLite file nor a PostgreSQL database.
    """
    if isinstance(url_or_path, Path) or "://" not in url_or_path:
        return Sqlite(URL.create("sqlite", database=str(url_or_path)))
    try:
        url = make_url(url_or_path)
    except ArgumentError:
        raise UsageError(
            "the address of the metadata store cannot be read", next_step=_HINT
        ) from None
    kind = url.get_backend_name()
    if kind in {"postgresql", "postgres"}:
        return Postgres(url)
    if kind != "sqlite":
        raise UsageError(
            f"metadata is kept in PostgreSQL or SQLite, not in {url.render_as_string()}",
            next_step=_HINT,
        )
    if url.database in {None, "", ":memory:"}:
        raise UsageError("the metadata store must be a file, not memory", next_step=_HINT)
    return Sqlite(url)


def upsert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """Return an insert that knows ON CONFLICT, which SQLAlchemy has by dialect only."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


class Sqlite(Dialect):
    """A file of this machine that a `kill -9` or a power cut leaves whole."""

    elsewhere = ANOTHER_FOLDER
    refusal = DataDirError

    def __init__(self, url: URL) -> None:
        self._url = url
        self._path = Path(str(url.database))
        self.where = str(self._path)

    def engine(self) -> sa.Engine:
        """Make folder and file; only its owner may read it, as people and tokens live here.

        Raises:
            DataDirError: they cannot be made.
        """
        self._prepare()
        engine = sa.create_engine(
            self._url,
            max_overflow=-1,  # as many connections as threads: waiting is the lock's business
            connect_args={"isolation_level": None, "timeout": BUSY_SECONDS},
        )
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    @contextmanager
    def transaction(self, connection: sa.Connection, *, writes: bool) -> Iterator[None]:
        """A writer holds the file's write lock from the start, or its reads could be outdated."""
        connection.execution_options(**{_WRITES: writes})
        with connection.begin():
            yield

    def explain(self, error: DatabaseError) -> PenstockError | None:
        """By SQLite's error names (https://sqlite.org/rescode.html)."""
        name = getattr(error.orig, "sqlite_errorname", "")
        for prefix, (what, next_step) in _SQLITE_TROUBLES.items():
            if name.startswith(prefix):
                return DataDirError(
                    f"the metadata store {what} ({error.orig})",
                    where=self.where,
                    next_step=next_step,
                )
        return None

    def _prepare(self) -> None:
        path = self._path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.touch(mode=0o600)
        except OSError as error:
            raise DataDirError(
                f"the metadata store cannot be made: {error.strerror}",
                where=str(error.filename or path),
                next_step=f"make {path.parent} a folder that this user may write, {ANOTHER_FOLDER}",
            ) from error
        if path.is_dir():
            raise DataDirError(
                "the metadata store is a file, but a folder is there",
                where=str(path),
                next_step="name the file inside the folder",
            )


def _set_up_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 (the driver's type)
    """Set what SQLite forgets with each connection; WAL is remembered by the file."""
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class Postgres(Dialect):
    """A database of a PostgreSQL server; the tables are in the first schema of its search path.

    A connection that has gone stale, as after a restart of the server, is replaced before it is
    used. Nothing here needs a session that lasts: a pooler in transaction mode may stand between.
    """

    elsewhere = "or point DATABASE_URL at another database"
    refusal = StoreError

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        shown = URL.create("postgresql", url.username, None, url.host, url.port, url.database)
        self.where = shown.render_as_string()

    def engine(self) -> sa.Engine:
        """Make the engine; nothing is asked of the server yet.

        Raises:
            UsageError: the driver is not installed.
        """
        wanted = {name: v for name, v in _POSTGRES_OPTIONS.items() if name not in self._url.query}
        try:
            return sa.create_engine(
                self._url,
                pool_pre_ping=True,
                pool_size=5,
                max_overflow=15,
                pool_timeout=BUSY_SECONDS,
                connect_args={**wanted, "prepare_threshold": None},
            )
        except ImportError as error:
            raise UsageError(
                f"a metadata store in PostgreSQL needs the driver psycopg: {error}",
                next_step="pip install 'penstock[postgres]'",
            ) from error

    @contextmanager
    def transaction(self, connection: sa.Connection, *, writes: bool) -> Iterator[None]:
        """A writer reads anew with each statement, so that it sees all before it got the lock."""
        level = "READ COMMITTED" if writes else "REPEATABLE READ"
        connection.execution_options(isolation_level=level)
        with connection.begin():
            if writes:
                connection.execute(_POSTGRES_LOCK)
            yield

    def explain(self, error: DatabaseError) -> PenstockError | None:
        """By PostgreSQL's codes (https://www.postgresql.org/docs/current/errcodes-appendix.html).

        A failure to connect has none of them, only the server's or the system's own words.
        """
        words = str(error.orig).strip().splitlines()
        said = words[0] if words else type(error.orig).__name__
        if error.connection_invalidated or self.is_away(error):
            return StoreDownError(
                f"the metadata store cannot be reached: {said}", where=self.where, next_step=_AWAY
            )
        found = _POSTGRES_TROUBLES.get(getattr(error.orig, "sqlstate", None) or "")
        if found is None:
            return None
        what, next_step = found
        return StoreError(
            f"the metadata store {what} ({said})", where=self.where, next_step=next_step
        )

    def is_away(self, error: DatabaseError) -> bool:
        """Whether the driver failed before the server could give an error a code."""
        operational = type(error.orig).__name__ in {"OperationalError", "ConnectionTimeout"}
        return operational and getattr(error.orig, "sqlstate", None) is None


_POSTGRES_OPTIONS = {
    "application_name": "penstock",
    "connect_timeout": 10,
    # A server that has vanished without a word is noticed within half a minute, not two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""What a URL may overrule: https://www.postgresql.org/docs/current/libpq-connect.html."""

_POSTGRES_LOCK = sa.text(
    "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
    " WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true),"
    f" set_config('lock_timeout', '{BUSY_SECONDS}s', true),"
    # A holder that sleeps is thrown out, so that it cannot keep all others waiting.
    f" set_config('idle_in_transaction_session_timeout', '{2 * BUSY_SECONDS}s', true),"
    " pg_advisory_xact_lock(hashtextextended('penstock ' || coalesce(current_schema(), ''), 0))"
)

_AWAY = (
    "see that the server runs and that host, port, user, password and database in DATABASE_URL "
    "are right; nothing is lost, the step is repeated"
)

_SQLITE_TROUBLES = {
    "SQLITE_FULL": (
        "cannot grow: the disk is full",
        "free some space; nothing is lost, the step is repeated",
    ),
    "SQLITE_IOERR": ("cannot be read or written", "look at the disk's health and its free space"),
    "SQLITE_READONLY": (
        "cannot be written",
        f"give this user the right to write the file and its folder, {ANOTHER_FOLDER}",
    ),
    "SQLITE_CANTOPEN": (
        "cannot be opened",
        f"give this user the right to read and write the file and its folder, {ANOTHER_FOLDER}",
    ),
    "SQLITE_PERM": (
        "cannot be opened",
        f"give this user the right to read and write the file, {ANOTHER_FOLDER}",
    ),
    "SQLITE_BUSY": (
        f"has been locked by another process for {BUSY_SECONDS} s",
        "end the other process that has it open (`penstock status` names the platform's)",
    ),
    "SQLITE_NOTADB": (
        "is not a SQLite file",
        f"restore it from a backup, {ANOTHER_FOLDER}",
    ),
    "SQLITE_CORRUPT": (
        "is damaged",
        f"restore it from a backup, {ANOTHER_FOLDER}",
    ),
}
"""By prefix of the name: what it means, what to do."""

_DAMAGED = (
    "is damaged",
    "restore the database from a backup, or point DATABASE_URL at another one",
)
_POSTGRES_TROUBLES = {
    "53100": (
        "cannot grow: the server's disk is full",
        "free some space there; nothing is lost, the step is repeated",
    ),
    "42501": (
        "may not be used by this user",
        "grant it USAGE and CREATE on the schema, or make it the owner of the database",
    ),
    "3F000": (
        "has no schema to put its tables in",
        "create the schema that the search path names, and grant this user CREATE on it",
    ),
    "25006": (
        "cannot be written: the server takes no writes now",
        "name the primary server in DATABASE_URL, not a standby",
    ),
    "55P03": (
        f"has been locked by another process for {BUSY_SECONDS} s",
        "end what holds it: SELECT pid, application_name, state FROM pg_stat_activity",
    ),
    "57014": (
        "was too slow for the server's statement_timeout",
        "look at the server's load, or raise statement_timeout for this user",
    ),
    "58030": ("cannot be read or written", "look at the health and free space of its disk"),
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
}
