"""The metadata store: one SQLite file that a `kill -9` or a power cut leaves whole.

WAL with `synchronous=FULL`: a step that returned is on the disk. A step that writes takes the
file's write lock before it reads (`BEGIN IMMEDIATE`), so two processes never interleave.
Everything above speaks SQLAlchemy Core, so that PostgreSQL can take SQLite's place.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError

from penstock import __version__
from penstock.errors import DataDirError, UsageError
from penstock.store.schema import HEAD, NOTE

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY_SECONDS = 15
"""How long a step waits for another process to finish its own; steps take milliseconds."""

WRITTEN_BY = "penstock_version"
"""The note that says which version of Penstock brought the schema to where it is."""

_WRITES = "penstock_writes"
_ANOTHER_FOLDER = "or point PENSTOCK_DATA at another folder"


class Store:
    """The metadata of one platform; safe to share between threads.

    Attributes:
        engine: the SQLAlchemy engine, for tables that have no class of their own here.
        path: the database file.
    """

    def __init__(self, engine: sa.Engine, path: Path) -> None:
        self.engine = engine
        self.path = path
        # Threads queue here: SQLite's own waiting is a sleep that grows, and unfair.
        self._writer = threading.Lock()

    @classmethod
    def open(cls, url_or_path: str | Path) -> Store:
        """Open the store, make it where there is none, and bring its schema up to date.

        Args:
            url_or_path: the database file (not its folder), or `sqlite:///file`.

        Raises:
            DataDirError: the file cannot be used, or a newer version of Penstock wrote it.
            UsageError: the URL names no SQLite file.
        """
        url = _sqlite_url(url_or_path)
        path = Path(str(url.database))
        _prepare(path)
        engine = sa.create_engine(
            url,
            max_overflow=-1,  # as many connections as threads: waiting is the lock's business
            connect_args={"isolation_level": None, "timeout": BUSY_SECONDS},
        )
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
        store = cls(engine, path)
        try:
            store._bring_up_to_date()
        except BaseException:
            engine.dispose()
            raise
        return store

    def close(self) -> None:
        """Close all connections; the last one folds the write-ahead log into the file."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction that sees one state of the store.

        Raises:
            DataDirError: the file cannot be read.
        """
        with _explained(self.path), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction that no other writer can interleave with.

        All of it is on the disk when the block has been left, or none of it. Does not nest.

        Raises:
            DataDirError: the file cannot be written: space, permission, another process.
        """
        with self._writer, _explained(self.path), self.engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    def _bring_up_to_date(self) -> None:
        with self.reading() as connection:
            if _revision(connection) == HEAD:
                return
        with self.writing() as connection:
            found = _revision(connection)  # again: another process may have been faster
            if found == HEAD:
                return
            _refuse_newer(connection, found, self.path)
            _upgrade(connection)
            connection.execute(sa.delete(NOTE).where(NOTE.c.key == WRITTEN_BY))
            connection.execute(sa.insert(NOTE).values(key=WRITTEN_BY, value=__version__))


def _sqlite_url(url_or_path: str | Path) -> URL:
    """Read a path or a URL; anything but a SQLite file is refused, without showing a password."""
    if isinstance(url_or_path, Path) or "://" not in url_or_path:
        return URL.create("sqlite", database=str(url_or_path))
    hint = "use sqlite:///path/to/file, or a path"
    try:
        url = make_url(url_or_path)
    except ArgumentError:
        raise UsageError(
            "the address of the metadata store cannot be read", next_step=hint
        ) from None
    if url.get_backend_name() != "sqlite":
        shown = url.render_as_string(hide_password=True)
        raise UsageError(
            f"this version keeps its metadata in SQLite, not in {shown}", next_step=hint
        )
    if url.database in {None, "", ":memory:"}:
        raise UsageError("the metadata store must be a file, not memory", next_step=hint)
    return url


def _prepare(path: Path) -> None:
    """Make the folder and the file; only its owner may read it, as people and tokens live here."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as error:
        raise DataDirError(
            f"the metadata store cannot be made: {error.strerror}",
            where=str(error.filename or path),
            next_step=f"make {path.parent} a folder that this user may write, {_ANOTHER_FOLDER}",
        ) from error
    if path.is_dir():
        raise DataDirError(
            "the metadata store is a file, but a folder is there",
            where=str(path),
            next_step="name the file inside the folder",
        )


def _set_up(connection: Any, _record: object) -> None:  # noqa: ANN401 (the driver's own type)
    """Set what SQLite forgets with each connection; WAL is remembered by the file."""
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: sa.Connection) -> None:
    """Open the transaction: a writer takes the lock at once, or its reads could be outdated."""
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def _refuse_newer(connection: sa.Connection, found: str | None, path: Path) -> None:
    """Refuse a schema this version has no migration from; revisions are counted, `0001` on."""
    if found is None or (found.isdigit() and int(found) < int(HEAD)):
        return
    by = None
    if sa.inspect(connection).has_table(NOTE.name):  # who knows what a later schema drops
        by = connection.scalar(sa.select(NOTE.c.value).where(NOTE.c.key == WRITTEN_BY))
    needed = f"Penstock {by}" if by else "a newer Penstock"
    raise DataDirError(
        f"the data needs {needed} (schema {found}); this is {__version__} (schema {HEAD})",
        where=str(path),
        next_step=f"pip install 'penstock>={by}', {_ANOTHER_FOLDER}"
        if by
        else f"install the version that wrote it, {_ANOTHER_FOLDER}",
    )


def _upgrade(connection: sa.Connection) -> None:
    """Run the missing migrations inside the caller's transaction: all of them or none."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it talks while being imported, too
    # Alembic takes 0.1 s to import, and a store is at head on all starts but the first.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "penstock.store:migrations")
    command.upgrade(config, HEAD)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the troubles of a disk into errors that say what to do; other errors pass."""
    try:
        yield
    except DatabaseError as error:
        name = getattr(error.orig, "sqlite_errorname", "")
        for prefix, (what, next_step) in _TROUBLES.items():
            if name.startswith(prefix):
                raise DataDirError(
                    f"the metadata store {what} ({error.orig})",
                    where=str(path),
                    next_step=next_step,
                ) from error
        raise


_TROUBLES = {
    "SQLITE_FULL": (
        "cannot grow: the disk is full",
        "free some space; nothing is lost, the step is repeated",
    ),
    "SQLITE_IOERR": ("cannot be read or written", "look at the disk's health and its free space"),
    "SQLITE_READONLY": (
        "cannot be written",
        f"give this user the right to write the file and its folder, {_ANOTHER_FOLDER}",
    ),
    "SQLITE_CANTOPEN": (
        "cannot be opened",
        f"give this user the right to read and write the file and its folder, {_ANOTHER_FOLDER}",
    ),
    "SQLITE_PERM": (
        "cannot be opened",
        f"give this user the right to read and write the file, {_ANOTHER_FOLDER}",
    ),
    "SQLITE_BUSY": (
        f"has been locked by another process for {BUSY_SECONDS} s",
        "end the other process that has it open (`penstock status` names the platform's)",
    ),
    "SQLITE_NOTADB": (
        "is not a SQLite file",
        f"restore it from a backup, {_ANOTHER_FOLDER}",
    ),
    "SQLITE_CORRUPT": (
        "is damaged",
        f"restore it from a backup, {_ANOTHER_FOLDER}",
    ),
}
"""SQLite's error names (https://sqlite.org/rescode.html), by prefix: what it means, what to do."""
