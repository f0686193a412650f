"""`POST /v1/ingest/{domain}/{source}`: bodies in, acknowledged once they are on disk."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from penstock.errors import BadInputError, UsageError
from penstock.sources.http import inflate, records_of, too_large

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from penstock.sources.http import HttpSource, Receipt

_WAIT = 30.0  # seconds `?wait=true` waits at most
_LARGE = 64 * 1024  # bytes of a body that is taken apart in a thread
_MOST_BODY = 128 * 1024 * 1024  # bytes, whatever the settings say: it must fit an insert


class Ingest:
    """The HTTP sources of a project.

    Args:
        sources: (domain, name) → source.
        landed: whether the rows up to a position can be queried.
        max_body: most bytes of a body after decompression.
    """

    def __init__(
        self,
        sources: Mapping[tuple[str, str], HttpSource],
        landed: Callable[[HttpSource, Receipt], bool],
        max_body: int,
    ) -> None:
        self._sources = sources
        self._landed = landed
        self._max_body = min(max_body, _MOST_BODY)

    async def __call__(self, request: Request) -> Response:
        """Take a body.

        Raises:
            BadInputError: 400, 413, 415. UsageError: 404. SpoolFullError: 429.
        """
        source = self._find(request.path_params)
        body = await self._body(request)
        kind = request.headers.get("content-type", "")
        if len(body) > _LARGE:  # others must not wait for it
            records, rows = await asyncio.to_thread(records_of, body, kind)
        else:
            records, rows = records_of(body, kind)
        receipt = await source.accept(records, rows)
        answer = {"accepted": rows, "source": f"{source.domain}/{source.name}"}
        if request.query_params.get("wait") not in {"true", "1"}:
            return JSONResponse(answer, 202)
        return JSONResponse(answer, 200 if await self._wait(source, receipt) else 202)

    def _find(self, names: Mapping[str, str]) -> HttpSource:
        name = names["source"]
        domain = names.get("domain")
        found = [
            source
            for (d, n), source in list(self._sources.items())  # a reload may add one
            if n == name and (domain is None or d == domain)
        ]
        if len(found) != 1:
            known = ", ".join(f"/v1/ingest/{d}/{n}" for d, n in sorted(self._sources))
            raise UsageError(
                f"there is no HTTP source {name!r}" + (f" in {domain}" if domain else ""),
                next_step=f"post to {known}",
            )
        return found[0]

    async def _body(self, request: Request) -> bytes:
        limit = self._max_body
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip"}:
            raise BadInputError(
                415,
                "Unsupported encoding",
                f"Content-Encoding {encoding} is not taken here",
                next_step="send gzip, or nothing",
            )
        pieces, size = [], 0
        async for piece in request.stream():
            size += len(piece)
            if size > limit:
                raise too_large(limit)
            pieces.append(piece)
        body = b"".join(pieces)
        return await asyncio.to_thread(inflate, body, limit) if encoding == "gzip" else body

    async def _wait(self, source: HttpSource, receipt: Receipt) -> bool:
        deadline = time.monotonic() + _WAIT
        while not self._landed(source, receipt):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.01)
        return True
