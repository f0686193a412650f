"""Connections to the engine in this process; each runs one statement at a time, in a thread.

chDB releases the GIL while it works, so a pool of connections answers side by side.
"""

from __future__ import annotations

import itertools
import queue
import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from penstock.errors import DataDirError, EngineError
from penstock.project.lexer import literal

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

# Names of settings and databases end up in a statement of ours, so nothing else may be in them.
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CODE = re.compile(r"Code: (\d+)\.")
_BAD_ARGUMENTS, _UNKNOWN_FORMAT = 36, 73
_OBJECTS = {"dataframe", "arrowtable", "datastore"}

# The engine hides a write that fails (no space, I/O error): it answers OK and keeps a cut part. It
# does refuse, with code 243, to start a part that would leave less than this; so no insert may
# ever come near the end of the disk.
_KEPT_FREE = 256 * 1024 * 1024  # bytes

_DRAINS = 3  # attempts
_LEAVE = 2.0  # seconds that statements get to leave when the pool is closed
_OVERLAY = "necessary to have the grant READ ON FILE"
MAIN = "main"  # the database of statements that name none

# An answer in one piece is in memory twice before it is sent.
MAX_ANSWER = 256 * 1024 * 1024
_LIMITS = {"max_result_bytes": str(MAX_ANSWER)}
GUEST_LIMITS = {
    "max_execution_time": "10",
    "max_memory_usage": "150000000",  # all visitors together leave the lander its share
    "max_result_bytes": "100000000",
    "max_threads": "2",
}
_GUEST = {**GUEST_LIMITS, "readonly": "2"}
# What statement after statement asks for: left in force until one does not. A SET costs a tenth of
# SELECT 1, and another one to take it back.
_LASTING = {"max_result_bytes": "0", "output_format_write_statistics": "0"}
_REACHING = {"compatibility", "profile"}  # set others as well, which DEFAULT does not take back
# By this setting a statement is found, to end it: one that shows in system.processes, does nothing
# without the query cache, and that no client sets in a statement as it does log_comment.
TAG = "query_cache_tag"

_CONFIG = """<clickhouse>
  <users_config>{users}</users_config>
  <timezone>UTC</timezone>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>4</background_schedule_pool_size>
  <user_scripts_path>{scripts}</user_scripts_path>
  <storage_configuration>
    <disks><default><keep_free_space_bytes>{kept}</keep_free_space_bytes></default></disks>
  </storage_configuration>
</clickhouse>
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What one statement gave.

    Attributes:
        body: the answer in the asked format.
        rows: rows in the answer.
        rows_read: rows the engine read for it.
        bytes_read: bytes the engine read for it.
        seconds: time in the engine.
    """

    body: bytes
    rows: int = 0
    rows_read: int = 0
    bytes_read: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, pieces: Sequence[Result]) -> Result:
        """The pieces of one answer as a whole."""
        return cls(
            b"".join(piece.body for piece in pieces),
            sum(piece.rows for piece in pieces),
            sum(piece.rows_read for piece in pieces),
            sum(piece.bytes_read for piece in pieces),
            sum(piece.seconds for piece in pieces),
        )


class Connection:
    """One connection: a database it stands in, and settings that last for one statement.

    Args:
        raw: chDB's own.
        standing: settings that hold for all its statements.

    Attributes:
        tag: by which the engine finds the statement that runs on it; empty where it has none.
        spoiled: something of a statement is left on it; no other one may run on it.
    """

    def __init__(self, raw: Any, standing: Mapping[str, str]) -> None:  # noqa: ANN401 - untyped
        self.raw = raw
        self._database = "default"
        self.spoiled = False
        self.tag = standing.get(TAG, "")
        self._standing = {name: literal(value) for name, value in standing.items()}
        self._left: set[str] = set()  # of _LASTING, those that are in force now
        for name, value in self._standing.items():
            self.run(f"SET {name} = {value}")

    def enter(self, database: str) -> None:
        """Stand in a database; unqualified names then mean its tables.

        chDB's own `default` is an overlay over the files of the working directory, in which no
        table can be made without the right to read files; `main` stands in for it.
        """
        if database in {"", "default"}:
            database = MAIN
        if database == self._database:
            return
        if IDENTIFIER.fullmatch(database) is None:
            raise EngineError(f"{database!r} is no name of a database", code=_BAD_ARGUMENTS)
        self.run(f"USE `{database}`")
        self._database = database

    @contextmanager
    def only(self, changes: Mapping[str, str]) -> Iterator[None]:
        """Have these settings and no others beside the standing ones inside the block.

        Those of `_LASTING` stay in force after it, until a block comes that does not have them.
        """
        for name, value in _LASTING.items():
            wanted = changes.get(name) == value
            if wanted != (name in self._left):
                standing = self._standing.get(name, "DEFAULT")
                self.run(f"SET {name} = {literal(value) if wanted else standing}")
                (self._left.add if wanted else self._left.discard)(name)
        with self.settings({k: v for k, v in changes.items() if k not in self._left}):
            yield

    @contextmanager
    def settings(self, changes: Mapping[str, str]) -> Iterator[None]:
        """Set settings for the statements inside the block, then put back those that stand."""
        done: list[str] = []
        try:
            for name, value in changes.items():
                if IDENTIFIER.fullmatch(name) is None:
                    raise EngineError(f"{name!r} is no name of a setting", code=_BAD_ARGUMENTS)
                self.spoiled = self.spoiled or name in _REACHING
                self.run(f"SET {name} = {literal(value)}")
                done.append(name)
            yield
        finally:
            try:
                for name in done:
                    self.run(f"SET {name} = {self._standing.get(name, 'DEFAULT')}")
            except EngineError:
                self.spoiled = True  # the pool puts another in its place

    def run(
        self, sql: str, output: str = "TabSeparated", params: Mapping[str, str] | None = None
    ) -> Result:
        """Run one statement.

        Args:
            sql: the statement; a FORMAT clause in it beats `output`.
            output: ClickHouse format of the answer.
            params: values of `{name:Type}`, escaped as in TabSeparated.

        Raises:
            EngineError: the engine refused it; `code` is ClickHouse's.
        """
        _check_format(output)
        try:
            answer = self.raw.query(sql, output, params=dict(params) if params else None)
        except RuntimeError as error:
            self.spoiled = not drained(self.raw) or self.spoiled
            raise refused(error) from error
        return _result(answer)

    def stream(
        self, sql: str, output: str, params: Mapping[str, str] | None = None
    ) -> Generator[Result]:
        """Run one SELECT and give its answer block by block.

        Only of some formats are the blocks together one document: see `Call.streams`.

        Raises:
            EngineError: the engine refused it, before the first block or after any.
        """
        _check_format(output)
        try:
            answer = self.raw.send_query(sql, output, params=dict(params) if params else None)
        except RuntimeError as error:
            raise refused(error) from error
        try:
            while (block := answer.fetch()) is not None:
                yield _result(block)
        except RuntimeError as error:
            raise refused(error) from error
        finally:
            answer.cancel()  # does nothing at the end


def _result(answer: Any) -> Result:  # noqa: ANN401 - chDB's own, untyped
    return Result(
        body=answer.bytes(),
        rows=answer.rows_read(),
        rows_read=answer.storage_rows_read(),
        bytes_read=answer.storage_bytes_read(),
        seconds=answer.elapsed(),
    )


def _check_format(output: str) -> None:
    if output.lower() in _OBJECTS:  # the engine would give a Python object, no bytes
        raise EngineError(
            f"Code: 73. DB::Exception: Unknown format {output}. (UNKNOWN_FORMAT)",
            code=_UNKNOWN_FORMAT,
        )


def drained(raw: Any) -> bool:  # noqa: ANN401 - chDB's own, untyped
    """Take from a connection what a statement that failed has left on it.

    What such a statement had written of its answer would be the beginning of the next one's.

    Returns:
        False where it could not be taken: nothing may run on the connection any more.
    """
    for _ in range(_DRAINS):
        with suppress(RuntimeError):  # it may be ended in place of the one that failed
            raw.query("SELECT 1 WHERE 0", "Null")
            return True
    return False


def refused(error: Exception) -> EngineError:
    """The engine's exception as ours, with ClickHouse's code."""
    text = str(error).strip().removeprefix("Streaming query failed: ")
    if _OVERLAY in text:
        text = (
            "Code: 497. DB::Exception: this engine reads no files, and its database `default` is "
            f"one of files: use `{MAIN}`, or name no database (ACCESS_DENIED)"
        )
    match = _CODE.search(text)
    return EngineError(text, code=int(match[1]) if match else 1002)


class Pool:
    """A fixed number of connections to one data directory, and some for visitors beside them.

    A visitor's connection is read-only for good, whatever the guard lets pass; there are few, so
    that visitors never use up what landing and endpoints need.

    Args:
        data: the engine's folder.
        size: how many statements can run at once.
        memory: most bytes the engine may use.
        visitors: how many statements without the key can run at once.
    """

    def __init__(self, data: Path, *, size: int, memory: int, visitors: int = 0) -> None:
        import chdb  # noqa: PLC0415 - half a second that only the host's process should pay

        self.size, self.visitors = size, visitors
        self._address = f"{data}?config-file={_write_config(data, memory)}"
        self._connect = chdb.connect
        # The last one used is the next one taken: its database and settings are most likely right.
        self._idle: queue.LifoQueue[Connection] = queue.LifoQueue()
        self._visits: queue.LifoQueue[Connection] = queue.LifoQueue()
        self._killing = threading.Lock()
        self._serial = itertools.count(1)
        try:
            for _ in range(size):
                self._idle.put(self._open(_LIMITS))
            for _ in range(visitors):
                self._visits.put(self._open(_GUEST))
            self._killer = self._open({})  # never busy, so that a statement can always be ended
            self.version = self._killer.run("SELECT version()").body.decode().strip()
        except RuntimeError as error:
            raise DataDirError(
                f"the engine cannot open its data: {str(error).strip()[:500]}",
                where=str(data),
                next_step="restore a backup, or start a new data directory: PENSTOCK_DATA=…",
            ) from error

    def _open(self, standing: Mapping[str, str]) -> Connection:
        tagged = {**standing, TAG: f"front-{next(self._serial)}"}
        return Connection(self._connect(self._address), tagged)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Borrow a connection; waits until one is idle."""
        with self._borrowed(self._idle, _LIMITS) as connection:
            yield connection

    @contextmanager
    def visitor(self) -> Iterator[Connection]:
        """Borrow a read-only connection; waits until one is idle."""
        with self._borrowed(self._visits, _GUEST) as connection:
            yield connection

    @contextmanager
    def _borrowed(
        self, idle: queue.LifoQueue[Connection], standing: Mapping[str, str]
    ) -> Iterator[Connection]:
        """A connection, or a new one in its place where it is spoiled; its place is kept."""
        connection = idle.get()
        try:
            if connection.spoiled:
                fresh = self._open(standing)
                connection.raw.close()
                connection = fresh
            yield connection
        finally:
            idle.put(connection)

    def kill(self, tag: str) -> None:
        """End the statement that runs on the connection of a tag; it raises code 394."""
        with self._killing:
            self._killer.run(f"KILL QUERY WHERE Settings['{TAG}'] = {literal(tag)} ASYNC")

    def aside(self, sql: str, output: str, params: Mapping[str, str]) -> Result:
        """Run a small SELECT of ours that must not wait until a connection is idle.

        Raises:
            EngineError: the engine refused it.
        """
        with self._killing:
            return self._killer.run(sql, output, params)

    def close(self) -> None:
        """Close all connections; the engine then lets go of the folder."""
        for count, kept in ((self.size, self._idle), (self.visitors, self._visits)):
            with suppress(queue.Empty):  # a statement that cannot be ended keeps its connection
                for _ in range(count):
                    kept.get(timeout=_LEAVE).raw.close()
        self._killer.raw.close()


def _write_config(data: Path, memory: int) -> Path:
    folder = data.parent / "engine-config"
    folder.mkdir(parents=True, exist_ok=True)
    users = folder / "users.xml"
    users.write_text(resources.files("penstock.engine").joinpath("users.xml").read_text("utf-8"))
    config = folder / "config.xml"
    scripts = folder / "no-scripts"  # a folder that is never made: nothing in it can be run
    config.write_text(_CONFIG.format(users=users, memory=memory, kept=_KEPT_FREE, scripts=scripts))
    return config
