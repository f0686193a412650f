"""`penstock.Client`: a platform's endpoints from Python, over HTTP, and nothing of the engine."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Self

import httpx2

from penstock.errors import (
    BadInputError,
    EngineDownError,
    EngineError,
    PenstockError,
    StoreDownError,
    UsageError,
)

if TYPE_CHECKING:
    from types import TracebackType

_HERE = "http://127.0.0.1:8000"
_OK, _BAD, _NOT_FOUND, _AWAY = 200, 400, 404, 503


class Client:
    """Asks the endpoints of a running platform; a context manager that closes its connections.

    ::

        with Client() as platform:
            for row in platform.rows("telemetry/top_devices", minutes=5):
                print(row["device_id"], row["average"])

    Safe to share between threads.

    Args:
        url: of the platform; by default PENSTOCK_URL, else http://127.0.0.1:8000.
        timeout: seconds that an answer may take.

    Raises:
        UsageError: that is no address.
    """

    def __init__(self, url: str = "", *, timeout: float = 30.0) -> None:
        self.url = (url or os.environ.get("PENSTOCK_URL", "") or _HERE).rstrip("/")
        try:
            address = httpx2.URL(self.url)
        except httpx2.InvalidURL as error:
            raise UsageError(f"{self.url!r} is no address: {error}", next_step=_HERE) from error
        if address.scheme not in {"http", "https"} or not address.host:
            raise UsageError(f"{self.url!r} is no address of a platform", next_step=_HERE)
        self._http = httpx2.Client(base_url=address, timeout=timeout)

    def rows(self, endpoint: str, /, **params: object) -> list[dict[str, Any]]:
        """The rows of an endpoint, each by its columns; none is an empty list.

        Args:
            endpoint: `domain/name`, or the name alone while it is unique.
            params: its parameters; those left out have their defaults.

        Raises:
            BadInputError: a parameter is unknown, missing or off.
            UsageError: there is no such endpoint.
            EngineDownError: the platform, or its engine, cannot be reached: worth a retry.
            EngineError: the query failed.
        """
        return [json.loads(line) for line in self.read(endpoint, "ndjson", **params).splitlines()]

    def read(self, endpoint: str, form: str, /, **params: object) -> bytes:
        """An endpoint's answer as bytes: `json`, `ndjson`, `csv`, `columns`, `parquet`, `arrow`.

        Args:
            endpoint: as for `rows`.
            form: of the answer.
            params: as for `rows`.

        Raises:
            PenstockError: as for `rows`.
        """
        asked = {name: str(value) for name, value in params.items() if value is not None}
        try:
            answer = self._http.get(f"/v1/endpoints/{endpoint}.{form}", params=asked)
        except httpx2.TransportError as error:
            raise EngineDownError(
                f"no platform answers: {type(error).__name__}: {error}",
                where=self.url,
                next_step="start it: penstock up; or name its address: PENSTOCK_URL=http://…",
            ) from error
        if answer.status_code != _OK:
            raise _refusal(answer)
        return answer.content

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _refusal(answer: httpx2.Response) -> PenstockError:
    """What a problem document says, in its own words."""
    where = str(answer.request.url)
    try:
        said = answer.json()
        what, code = str(said["detail"]), str(said["code"])
    except (ValueError, KeyError, TypeError):
        return PenstockError(
            f"{answer.status_code} came back, and no document of a platform",
            where=where,
            next_step="see what listens there: /healthz of a platform says ok",
        )
    following = str(said.get("next", ""))
    if answer.status_code == _BAD:
        return BadInputError(_BAD, str(said["title"]), what, next_step=following)
    if answer.status_code == _NOT_FOUND:
        return UsageError(what, where=where, next_step=following)
    if answer.status_code == _AWAY:
        kind = StoreDownError if code == "store_down" else EngineDownError
        return kind(what, where=where, next_step=following)
    number = code.removeprefix("clickhouse_")
    if number.isdigit():
        return EngineError(what, code=int(number), where=where, next_step=following)
    return PenstockError(what, where=where, next_step=following)
