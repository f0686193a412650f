"""`POST /v1/ingest/{domain}/{source}`: bodies in, acknowledged once they are on disk."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from penstock.errors import BadInputError, EngineDownError, PenstockError, UsageError
from penstock.inflate import ENCODINGS
from penstock.serve.idempotency import Idempotency, key_of
from penstock.sources.http import Receipt, opened, records_of, rest_of, too_large
from penstock.store.idempotency import ACCEPTED, Post
from penstock.store.records import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request

    from penstock.layers.dead_letters import Refused
    from penstock.sources.http import HttpSource

_WAIT = 30.0  # seconds `?wait=true` waits at most
_LARGE = 64 * 1024  # bytes of a body that is taken apart in a thread
_MOST_BODY = 128 * 1024 * 1024  # bytes, whatever the settings say: it must fit an insert
_LANDED = 200
_MOST_REFUSED = 100  # rows that an answer lists


@dataclass(frozen=True, slots=True)
class Landing:
    """What an answer that waits asks of those who land.

    Attributes:
        landed: whether the rows up to a position can be queried.
        refused: the rows of these spans that became dead letters, and how many; the list is
            bounded by a number.
    """

    landed: Callable[[HttpSource, Receipt], bool]
    refused: Callable[[tuple[str, str], Sequence[Receipt], int], Refused]


class Ingest:
    """The HTTP sources of a project.

    Args:
        sources: (domain, name) → source.
        landing: of the same.
        idempotency: the keys in use.
        max_body: most bytes of a body after decompression.
    """

    def __init__(
        self,
        sources: Mapping[tuple[str, str], HttpSource],
        landing: Landing,
        idempotency: Idempotency,
        max_body: int,
    ) -> None:
        self._sources = sources
        self._landing = landing
        self._idempotency = idempotency
        self._max_body = min(max_body, _MOST_BODY)

    async def __call__(self, request: Request) -> Response:
        """Take a body.

        Raises:
            BadInputError: 400, 409, 413, 415, 422. UsageError: 404. SpoolFullError: 429.
            StoreDownError: 503, for a body with a key.
        """
        source = self._find(request.path_params)
        key = key_of(request.headers.get("idempotency-key"))
        body = await self._body(request)
        kind = request.headers.get("content-type", "")
        if len(body) > _LARGE:  # others must not wait for it
            records, rows = await asyncio.to_thread(records_of, body, kind)
        else:
            records, rows = records_of(body, kind)
        wait = request.query_params.get("wait") in {"true", "1"}
        if key:
            fingerprint = await asyncio.to_thread(_fingerprint, records)
            post = Post(source.domain, source.name, key, uuid.uuid4().hex, fingerprint, rows)
            return await self._once(source, post, records, wait=wait)
        receipt = await source.accept(records, rows)
        landed = await self._landed(source, [receipt]) if wait else None
        accepted = {"accepted": rows, "source": f"{source.domain}/{source.name}"}
        return JSONResponse(accepted | (landed or {}), ACCEPTED if landed is None else _LANDED)

    async def _once(
        self, source: HttpSource, post: Post, records: bytes, *, wait: bool
    ) -> Response:
        """Store a body with a key, or give back what was answered when it was stored."""
        found = await self._idempotency.take(post)
        replayed = found.claim != post.claim
        if found.fingerprint != post.fingerprint:
            raise BadInputError(
                422,
                "Idempotency-Key reused",
                f"another body was sent to {post.domain}/{post.source} with this key",
                next_step="make a new key for each body; only a retry of it has the same",
            )
        if replayed and not found.status:
            raise BadInputError(
                409,
                "Idempotency-Key in use",
                "a request with this key is being worked on",
                next_step="try again after the time in Retry-After",
            )
        if not replayed:
            found = await self._store(source, found, records)
        answered = found
        try:
            if wait and found.status == ACCEPTED:
                receipts = [Receipt(s.part, s.start, s.stop) for s in found.spans]
                landed = await self._landed(source, receipts)
                if landed is not None:
                    answer = {**found.answer, **landed}
                    answered = replace(found, status=_LANDED, answer=answer)
        finally:
            if not replayed or answered is not found:
                await self._idempotency.settle(answered)
        headers = {"Idempotent-Replayed": "true"} if replayed else {}
        return JSONResponse(dict(answered.answer), answered.status, headers)

    async def _store(self, source: HttpSource, post: Post, records: bytes) -> Post:
        """Put on disk what is not there yet; it names its claim, in the same write."""
        spans = list(post.spans)
        rest = rest_of(records, post.stored)
        try:
            receipt = await source.accept(rest, post.rows - post.stored, post.tag(len(spans)))
            spans.append(Span(receipt.part, receipt.start, receipt.stop))
        except (PenstockError, OSError):
            await self._idempotency.settle(replace(post, spans=tuple(spans)))
            raise
        return replace(post, spans=tuple(spans)).accepted()

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
        if encoding not in {"identity", *ENCODINGS}:
            raise BadInputError(
                415,
                "Unsupported encoding",
                f"Content-Encoding {encoding} is not taken here",
                next_step=f"send {', '.join(ENCODINGS)}, or nothing",
            )
        pieces, size = [], 0
        async for piece in request.stream():
            size += len(piece)
            if size > limit:
                raise too_large(limit)
            pieces.append(piece)
        body = b"".join(pieces)
        if encoding == "identity":
            return body
        return await asyncio.to_thread(opened, body, encoding, limit)

    async def _landed(
        self, source: HttpSource, receipts: Sequence[Receipt]
    ) -> dict[str, Any] | None:
        """What became of the rows, once they can be queried; None where that takes too long."""
        deadline = time.monotonic() + _WAIT
        while time.monotonic() < deadline:
            if self._landing.landed(source, receipts[-1]):
                try:
                    return await asyncio.to_thread(self._counted, source, receipts)
                except EngineDownError:
                    await asyncio.sleep(0.2)
            await asyncio.sleep(0.01)
        return None

    def _counted(self, source: HttpSource, receipts: Sequence[Receipt]) -> dict[str, Any]:
        refused = self._landing.refused((source.domain, source.name), receipts, _MOST_REFUSED)
        before, offsets = 0, {}
        for receipt in receipts:
            offsets[receipt.part, receipt.start] = before
            before += receipt.stop - receipt.start
        letters = []
        for part, pos, reason in refused.letters:
            held = next(r for r in receipts if r.part == part and r.start <= pos < r.stop)
            row = offsets[held.part, held.start] + pos - held.start
            letters.append({"row": row, "reason": reason})
        return {"stored": before - refused.total, "dead": refused.total, "dead_letters": letters}


def _fingerprint(records: bytes) -> str:
    return hashlib.sha256(records).hexdigest()
