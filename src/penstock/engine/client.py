"""The one client: every part of Penstock outside this package speaks to ClickHouse through it.

Whether an embedded engine or a server answers is decided by the address alone.
"""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from penstock.engine import progress
from penstock.engine.parameters import escaped
from penstock.engine.questions import Question
from penstock.errors import EngineDownError, EngineError, StaleLeaseError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clickhouse_connect.driver.client import Client as Driver

_NATIVE_PORTS: Final = {9000: 8123, 9440: 8443}  # of its own protocol, and HTTP's instead
_STALE: Final = 1001
_DENIED: Final = 497
# The driver logs every refused statement as unexpected; the caller reports it once, in its words.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
_URL: Final = re.compile(r"\s*\(for url [^)]*\)\s*\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the engine is.

    Attributes:
        host: name or number.
        port: of ClickHouse's HTTP interface.
        user: empty for a visitor without the key.
        key: the password; empty for a visitor.
        secure: over TLS.
        database: where unqualified names of statements are looked up that name no other.
    """

    host: str
    port: int
    user: str = ""
    key: str = ""
    secure: bool = False
    database: str = ""

    @property
    def shown(self) -> str:
        """For people: without user and key."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read `http[s]://[user[:key]@]host[:port][/database]`.

        Raises:
            UsageError: it is no such address, or names ClickHouse's native port.
        """
        try:
            parts = urlsplit(url)
            given = parts.port
        except ValueError as error:
            raise UsageError(
                f"that is no address of ClickHouse: {error}",
                next_step="write http://user:key@host:8123",
            ) from error
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UsageError(
                f"{parts.scheme}://{parts.hostname or ''} is no address of ClickHouse over HTTP",
                next_step="write http://user:key@host:8123",
            )
        secure = parts.scheme == "https"
        port = given or (8443 if secure else 8123)
        if port in _NATIVE_PORTS:
            raise UsageError(
                f"{port} is ClickHouse's native port",
                next_step=f"use the HTTP port: {_NATIVE_PORTS[port]}",
            )
        user, secret = unquote(parts.username or ""), unquote(parts.password or "")
        database = unquote(parts.path.strip("/"))
        return cls(parts.hostname, port, user, secret, secure, database)


class Client:
    """ClickHouse over HTTP; may be used from many threads.

    Args:
        address: where the engine is; it is not contacted before the first statement.
        timeout: seconds a statement may take.
    """

    def __init__(self, address: Address, *, timeout: float = 300.0) -> None:
        self.address = address
        self._timeout = timeout
        self._lock = threading.Lock()
        self._made: Driver | None = None
        self._guarded = False

    def execute(
        self,
        sql: str,
        *,
        database: str = "",
        params: Mapping[str, str | None] | None = None,
        settings: Mapping[str, str] | None = None,
        lease: str = "",
    ) -> None:
        """Run a statement that gives no rows.

        Args:
            sql: the statement.
            database: where unqualified names are looked up.
            params: values of `{name:Type}`, as text; None is NULL.
            settings: of the engine, for this statement.
            lease: `stream=epoch` of whoever writes, refused where a newer one has been seen.

        Raises:
            StaleLeaseError: a newer lander holds the stream.
            EngineError: refused. EngineDownError: not reached.
        """
        self._fetch(sql, params, self._headers(database) | _lease(lease), settings)

    def fetch(
        self,
        sql: str,
        form: str | None = None,
        *,
        database: str = "",
        params: Mapping[str, str | None] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run a statement and give the answer's bytes as the engine wrote them.

        Args:
            sql: the statement.
            form: ClickHouse format of the answer, unless the statement has a FORMAT clause.
            database: where unqualified names are looked up.
            params: values of `{name:Type}`, as text; None is NULL.
            settings: of the engine, for this statement.

        Raises:
            EngineError: refused. EngineDownError: not reached.
        """
        # Not as a clause: what the engine says about a statement is about the caller's.
        return self._fetch(sql, params, self._headers(database, form), settings)

    def rows(
        self,
        sql: str,
        *,
        database: str = "",
        params: Mapping[str, str | None] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """Run a query and give its rows; for small answers only. Arguments as for `fetch`."""
        form = "JSONEachRow"
        answer = self.fetch(sql, form, database=database, params=params, settings=settings)
        lines = answer.splitlines()
        return [msgspec.json.decode(line) for line in lines]

    def value(
        self, sql: str, *, database: str = "", params: Mapping[str, str | None] | None = None
    ) -> Any:  # noqa: ANN401 - whatever the query says
        """Run a query and give the first column of its first row."""
        return next(iter(self.rows(sql, database=database, params=params)[0].values()))

    def analyse(self, question: Question) -> bytes:
        """Run SQL that an analyst or a language model wrote: through the guard's second tier.

        Raises:
            EngineError: refused, with code 497 by the guard. EngineDownError: not reached.
        """
        self.need_guard()
        settings = dict(question.settings)
        if question.query_id:
            settings["query_id"] = question.query_id
        headers = question.headers | self._headers(question.database, question.form)
        return self._fetch(question.sql, question.params, headers, settings)

    def need_guard(self) -> None:
        """Make sure that the other side knows the tier: a plain server would run anything.

        Raises:
            EngineError: code 497, it does not. EngineDownError: not reached.
        """
        if self._guarded:
            return
        try:
            self._fetch("SELECT version()", None, Question("", ()).headers)
        except EngineError as error:
            if error.code != _DENIED:
                raise
            self._guarded = True
        else:
            raise EngineError(
                f"{self.address.host}:{self.address.port} has no guard for the SQL of analysts; "
                "only the embedded engine has one",
                code=_DENIED,
            )

    def progress(self, query_id: str) -> dict[str, Any] | None:
        """How far a statement is; None where none of that name runs.

        Returns:
            `elapsed` in seconds, `memory` and `read_bytes` in bytes, `read_rows`, `total_rows`.

        Raises:
            EngineError: refused. EngineDownError: not reached.
        """
        return next(iter(self.rows(progress.SQL, params={progress.PARAM: query_id})), None)

    def end(self, query_id: str) -> None:
        """End a statement by its name; does nothing where none of that name runs.

        Raises:
            EngineError: refused. EngineDownError: not reached.
        """
        self.execute("KILL QUERY WHERE query_id = {id:String} SYNC", params={"id": query_id})

    def insert(
        self, sql: str, body: bytes, *, rows: int, database: str = "", lease: str = ""
    ) -> None:
        """Send rows.

        Args:
            sql: `INSERT INTO … FORMAT …`.
            body: the rows in that format.
            rows: how many they are; another count is refused and nothing is written.
            database: where unqualified names are looked up.
            lease: `stream=epoch` of the lander, refused where a newer one has been seen.

        Raises:
            StaleLeaseError: a newer lander holds the stream.
            EngineError: refused. EngineDownError: not reached, or the answer was lost.
        """
        headers = {**self._headers(database), **_lease(lease), "X-Penstock-Rows": str(rows)}
        self._call(
            lambda driver: driver.command(
                sql, data=body, use_database=False, transport_settings=headers
            )
        )

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            if self._made is not None:
                self._made.close()
                self._made = None

    def _fetch(
        self,
        sql: str,
        params: Mapping[str, str | None] | None,
        headers: Mapping[str, str],
        settings: Mapping[str, str] | None = None,
    ) -> bytes:
        bound = {k: _Text(v) for k, v in escaped(sql, params or {}).items()}
        answer: bytes = self._call(
            lambda driver: driver.raw_query(
                sql,
                parameters=bound or None,
                settings=dict(settings) if settings else None,
                use_database=False,
                transport_settings=dict(headers),
            )
        )
        return answer

    def _call(self, work: Any) -> Any:  # noqa: ANN401 - a function of the driver
        from clickhouse_connect.driver.exceptions import (  # noqa: PLC0415
            ClickHouseError,
            DatabaseError,
        )

        try:
            return work(self._driver())
        except ClickHouseError as error:
            code = error.code if isinstance(error, DatabaseError) else None
            if code is None:
                raise EngineDownError(
                    f"the engine at {self.address.host}:{self.address.port} did not answer",
                    where=_trim(str(error)),
                    next_step="it is restarted if it is ours; else check CLICKHOUSE_URL",
                ) from error
            if code == _STALE:
                raise StaleLeaseError(_trim(str(error))) from error
            raise EngineError(_trim(str(error)), code=code) from error

    def _headers(self, database: str, form: str | None = None) -> dict[str, str]:
        said = {
            "X-ClickHouse-Database": database or self.address.database,
            "X-ClickHouse-Format": form or "",
        }
        return {name: value for name, value in said.items() if value}

    def _driver(self) -> Driver:
        with self._lock:
            if self._made is None:
                import clickhouse_connect  # noqa: PLC0415 - a fifth of a second, paid on use

                self._made = clickhouse_connect.get_client(
                    host=self.address.host,
                    port=self.address.port,
                    username=self.address.user or None,
                    password=self.address.key,
                    secure=self.address.secure,
                    compress=False,
                    autogenerate_session_id=False,
                    send_receive_timeout=int(self._timeout),
                    query_retries=0,
                )
            return self._made


class _Text:
    """A value as the engine shall read it; the driver would escape the quotes of a list."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __str__(self) -> str:
        return self._value


def _lease(lease: str) -> dict[str, str]:
    return {"X-Penstock-Lease": lease} if lease else {}


def _trim(text: str) -> str:
    """The engine's own words, without the driver's wrapping."""
    match = re.search(r"Code: \d+\.?\s*(?:DB::Exception: )?(.*)", text, re.DOTALL)
    return _URL.sub("", match[1] if match else text).strip()[:2000]
