"""A throw-away engine in memory: what a project's SQL means is asked here before it is trusted.

chDB runs one engine a process, so a scratch engine cannot live in the process of the platform's
own engine. It stands under the same grants: nothing in it reads a file, a URL or another server,
save the files it is given.
"""

from __future__ import annotations

import json
import re
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from penstock.engine.inserts import STAGING, Insert, stage_and_write
from penstock.engine.parameters import escaped
from penstock.engine.pool import Connection, drained
from penstock.errors import EngineError
from penstock.project.lexer import code
from penstock.project.outside import unlisted_file

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

_ERROR = re.compile(r"Code: (\d+)\.\s*(?:DB::Exception:\s*)?(.*)", re.DOTALL)
_NESTED = re.compile(r"^(?:Code: \d+\.\s*DB::Exception:\s*)+")
_VERSION = re.compile(r"\s*\(version [\d.]+[^)]*\)\.?")
_NAMES = re.compile(r"(?:\s*(\([A-Z_]+\))\.*)+\s*$")  # once for each level of a nested error

_CONFIG = "<clickhouse><users_config>{users}</users_config><timezone>UTC</timezone></clickhouse>"
_GRANT_FILES = "<query>GRANT READ ON FILE</query></grants>"
_ACCESS_DENIED = 497


class Scratch:
    """A context manager around an engine that is gone when the block ends.

    Args:
        access: files and folders that its statements may read by `file('…')`; none by default.
            The engine's own grant is for all files or none, and does not cover the scalar
            `file('…')`; so each statement is looked at here as well.
    """

    def __init__(self, access: Sequence[Path] = ()) -> None:
        self.access = tuple(path.resolve() for path in access)
        self._connection: Any = None

    def __enter__(self) -> Self:
        import chdb  # noqa: PLC0415 - a second of start-up, and only where an engine is needed

        # Read once, at the start: a process that is killed later leaves nothing behind.
        with tempfile.TemporaryDirectory(prefix="penstock-scratch-") as folder:
            config = self._configuration(Path(folder))
            try:
                self._connection = chdb.connect(f":memory:?config-file={config}")
            except RuntimeError as error:
                raise EngineError(
                    f"the throw-away engine does not start: {error}",
                    next_step="run it in a process of its own: chDB runs one engine a process",
                ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def execute(self, sql: str) -> None:
        """Run a statement for its effect. Raises EngineError where the engine refuses it."""
        self.bytes(sql, "Null")

    def rows(
        self, sql: str, params: Mapping[str, str | None] | None = None
    ) -> list[dict[str, Any]]:
        """The rows of a query, one mapping each; times and Decimals as text.

        Args:
            sql: one SELECT, DESCRIBE or EXPLAIN.
            params: values for its `{name:Type}`, as text.

        Raises:
            EngineError: the engine refuses it.
        """
        body = self.bytes(sql, "JSONEachRow", params)
        return [json.loads(line) for line in body.splitlines() if line]

    def bytes(self, sql: str, format: str, params: Mapping[str, str | None] | None = None) -> bytes:  # noqa: A002 - ClickHouse's own word
        """The answer of a query in a format of ClickHouse. Raises EngineError."""
        self._check_access(sql)
        try:
            result = self._connection.query(sql, format, params=escaped(sql, params or {}))
        except RuntimeError as error:
            drained(self._connection)
            raise engine_error(str(error)) from error
        return bytes(result.bytes() or b"") if result is not None else b""

    def stream(self, sql: str, format: str) -> Iterator[builtins.bytes]:  # noqa: A002 - as above
        """The answer of a query piece by piece, each of whole rows; one is in memory at a time.

        Args:
            sql: one SELECT.
            format: NDJSON, or CSV, TSV or RowBinary without names: of others a piece is a document.

        Raises:
            EngineError: the engine refuses it, perhaps after some pieces.
        """
        self._check_access(sql)
        try:
            for piece in self._connection.send_query(sql, format):
                yield bytes(piece.bytes())
        except RuntimeError as error:
            raise engine_error(str(error)) from error

    def insert(self, sql: str, body: builtins.bytes, *, rows: int) -> None:
        """Write rows as the platform's engine does: staged, counted, then inserted by a SELECT.

        Args:
            sql: `INSERT INTO … FORMAT …`.
            body: the rows in that format.
            rows: how many they are; another count is refused and nothing is written.

        Raises:
            EngineError: unreadable rows, another count, or a refusal of the engine.
        """
        self.execute(f"CREATE DATABASE IF NOT EXISTS {STAGING} ENGINE = Memory")
        try:
            stage_and_write(
                Connection(self._connection, {}), Insert.parse(sql), body, expected=rows
            )
        except EngineError as error:
            raise engine_error(error.what) from error

    def _check_access(self, sql: str) -> None:
        outside = unlisted_file(list(code(sql)), self.access)
        if outside is not None:
            raise EngineError(
                f"{outside.text}() reaches outside of the throw-away engine (ACCESS_DENIED)",
                code=_ACCESS_DENIED,
            )

    def _configuration(self, folder: Path) -> Path:
        """Write the configuration with the grants of the platform's engine; returns its file."""
        users = resources.files("penstock.engine").joinpath("users.xml").read_text("utf-8")
        if self.access:
            users = users.replace("</grants>", _GRANT_FILES)
        (folder / "users.xml").write_text(users, "utf-8")
        config = folder / "config.xml"
        config.write_text(_CONFIG.format(users=folder / "users.xml"), "utf-8")
        return config


def engine_error(text: str) -> EngineError:
    """An error of the engine, `Code: 60. DB::Exception: … (UNKNOWN_TABLE)`, taken apart.

    The message keeps its symbolic name at the end; the code is the error's `code`.
    """
    match = _ERROR.search(text)
    if match is None:
        return EngineError(text)
    cause = _VERSION.sub("", _NESTED.sub("", match[2]))
    return EngineError(_NAMES.sub(r" \1", cause).strip(), code=int(match[1]))
