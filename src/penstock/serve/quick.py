"""The short way of an answer that is held: out before any routing, parsing or waiting.

An address that an endpoint has answered is remembered with what it means. Asked again, it takes the
look into the cache and nothing else; whatever the cache does not hold goes the long way.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from penstock.project.objects import Endpoint
    from penstock.serve.cache import Cache, Key, Terms
    from penstock.serve.timings import Timings

_MOST, _LONGEST = 4096, 1000  # addresses; bytes of one


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an address asks for.

    Attributes:
        endpoint: that answers it.
        key: of the answer.
        terms: of the endpoint.
        media: type of the answer, as a header has it.
        query: makes the answer anew.
    """

    endpoint: Endpoint
    key: Key
    terms: Terms
    media: bytes
    query: Callable[[], Awaitable[bytes]]


@dataclass
class Known:
    """The addresses that were answered, by path and query; used by the event loop alone."""

    _of: dict[tuple[str, bytes], Meaning] = field(default_factory=dict)

    def note(self, scope: Scope, meaning: Meaning) -> None:
        """Remember what an address means."""
        path, query = scope["path"], scope["query_string"]
        if scope["method"] != "GET" or len(path) + len(query) > _LONGEST:
            return
        if len(self._of) >= _MOST:
            self._of.clear()
        self._of[path, query] = meaning

    def find(self, scope: Scope) -> Meaning | None:
        """What an address means, where it is known."""
        return self._of.get((scope["path"], scope["query_string"]))

    def clear(self) -> None:
        """Forget all: files have changed."""
        self._of.clear()


class Quick:
    """Answers what is held, and passes everything else on.

    Args:
        app: the long way.
        known: addresses.
        cache: of answers.
        timings: of requests.
    """

    def __init__(self, app: ASGIApp, known: Known, cache: Cache, timings: Timings) -> None:
        self._app, self._known, self._cache, self._timings = app, known, cache, timings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = time.perf_counter()
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        meaning = self._known.find(scope)
        held = self._cache.peek(meaning.terms, meaning.key) if meaning else None
        if meaning is None or held is None:
            await self._app(scope, receive, send)
            return
        answer, state = held
        if state == "stale":
            self._cache.renew(meaning.endpoint, meaning.key, answer, meaning.query)
        took = time.perf_counter() - began
        status, body = 200, answer.body
        headers: list[Any] = [
            (b"etag", answer.etag.encode()),
            (b"cache-control", b"private, no-cache"),
            (b"x-cache", state.encode()),
            (b"server-timing", b"answer;dur=%.2f" % (took * 1000)),
        ]
        if _has(scope, answer.etag):
            status, body = 304, b""
        else:
            headers += [
                (b"content-length", b"%d" % len(body)),
                (b"content-type", meaning.media),
            ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._timings.note(meaning.key[:2], state, took)


def _has(scope: Scope, etag: str) -> bool:
    """Whether who asks has that answer."""
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            return etag.encode() in value
    return False
