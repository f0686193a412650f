"""Sessions: a person shows once that the data directory is theirs, and may act from the page then.

::

    penstock open ──▶ one-time link ──▶ POST /v1/session ──▶ cookie and token ──▶ replay, alert test
    (has the key)     (code behind #)   (single use)         (each act needs both)

The code stands behind the `#` of the link, which no browser sends to anybody: it gets into no log
and no Referer, and the page takes it out of the address as soon as it has read it. The cookie is
HttpOnly and SameSite=Strict. But cookies know no ports: whatever else serves on this host is sent
it. So an act needs the token as well, which the page keeps for its own origin alone. Only hashes
are held, in memory: all sessions end with the process.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from penstock.errors import BadInputError
from penstock.serve.bodies import read_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

LINK_S = 600.0
"""Seconds in which a link may be opened."""

TOKEN_HEADER = "X-Penstock-Token"  # noqa: S105 - its name, not its value
_SESSION_S = 12 * 3600.0
_MOST_LINKS, _MOST_SESSIONS = 8, 32  # the oldest make room
_LONGEST = 1024  # bytes of a body with a code


@dataclass(frozen=True, slots=True)
class Opened:
    """A session as its owner gets it, once.

    Attributes:
        cookie: its secret that the browser keeps from every script.
        token: its secret that the page keeps from every other origin.
        seconds: how long it holds.
    """

    cookie: str
    token: str
    seconds: float


@dataclass
class Sessions:
    """Links and sessions of one process; used by its event loop and by who prints a link.

    Attributes:
        clock: seconds that only grow.
    """

    clock: Callable[[], float] = time.monotonic
    _links: dict[bytes, float] = field(default_factory=dict)  # hash → until
    _held: dict[tuple[bytes, bytes], float] = field(default_factory=dict)

    def offer(self) -> str:
        """The code of a new link."""
        code = secrets.token_urlsafe(32)
        while len(self._links) >= _MOST_LINKS:
            del self._links[next(iter(self._links))]
        self._links[_hash(code)] = self.clock() + LINK_S
        return code

    def open(self, code: str) -> Opened:
        """Begin a session with the code of a link, which opens no second one.

        Raises:
            BadInputError: 401 where it is none or not any more.
        """
        # Wrong ones are not counted: nobody guesses 256 bits, and whoever sends some must not be
        # able to keep the owner out.
        now, given = self.clock(), _hash(code)
        # Every one is compared, in constant time each: how long it takes tells nothing.
        hits = [known for known in list(self._links) if hmac.compare_digest(known, given)]
        if not hits or self._links.pop(hits[0], 0.0) < now:
            raise BadInputError(
                401, "No such link", "the link was used before, or is older than ten minutes",
                next_step="a new one: penstock open",
            )  # fmt: skip
        opened = Opened(secrets.token_urlsafe(32), secrets.token_urlsafe(32), _SESSION_S)
        while len(self._held) >= _MOST_SESSIONS:
            del self._held[next(iter(self._held))]
        self._held[_hash(opened.cookie), _hash(opened.token)] = now + _SESSION_S
        return opened

    def left(self, cookie: str, token: str) -> float:
        """Seconds that the session of these two secrets still holds; 0 where there is none."""
        return max(0.0, self._held.get(self._find(cookie, token), 0.0) - self.clock())

    def close(self, cookie: str, token: str) -> None:
        """End a session."""
        self._held.pop(self._find(cookie, token), None)

    def _find(self, cookie: str, token: str) -> tuple[bytes, bytes]:
        given = _hash(cookie), _hash(token)
        for known in list(self._held):
            if all([hmac.compare_digest(a, b) for a, b in zip(known, given, strict=True)]):  # noqa: C419 - both
                return known
        return b"", b""


class Door:
    """`/v1/session`: how the page asks whether it may act, opens a link, and ends its session.

    Args:
        sessions: of this process.
        command: prints a link; shown to who may not act yet.
    """

    def __init__(self, sessions: Sessions, command: str) -> None:
        self._sessions, self._command = sessions, command

    async def __call__(self, request: Request) -> Response:
        """GET tells, POST opens with `{"once": code}`, DELETE ends.

        Raises:
            BadInputError: the code opens nothing.
        """
        if request.method == "POST":
            return await self._open(request)
        if request.method == "DELETE":
            self._sessions.close(*_secrets(request))
        left = self._sessions.left(*_secrets(request))
        answer = _answer(self._document(left))
        if request.method == "DELETE":
            answer.delete_cookie(_cookie(request), path="/v1", httponly=True, samesite="strict")
        return answer

    def may(self, request: Request) -> bool:
        """Whether a request comes from a page of ours whose session holds."""
        origin = request.headers.get("origin")
        own = origin is not None and urlsplit(origin).netloc == request.headers.get("host")
        return own and self._sessions.left(*_secrets(request)) > 0

    async def _open(self, request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _LONGEST:
                raise BadInputError(413, "Too large", "a code is short", next_step="penstock open")
        try:
            code = read_object(body).get("once")
        except ValueError:
            code = ""
        opened = self._sessions.open(code if isinstance(code, str) else "")
        answer = _answer({**self._document(opened.seconds), "token": opened.token})
        answer.set_cookie(
            _cookie(request), opened.cookie, max_age=int(opened.seconds), path="/v1",
            httponly=True, samesite="strict",
        )  # fmt: skip
        return answer

    def _document(self, left: float) -> dict[str, Any]:
        return {"may_act": left > 0, "seconds_left": int(left), "command": self._command}


def _answer(document: dict[str, Any]) -> JSONResponse:
    return JSONResponse(document, headers={"Cache-Control": "no-store"})


def _secrets(request: Request) -> tuple[str, str]:
    return request.cookies.get(_cookie(request), ""), request.headers.get(TOKEN_HEADER, "")


def _cookie(request: Request) -> str:
    """A name for each port: two platforms of one machine must not end each other's sessions."""
    return f"penstock_{request.url.port or 80}"


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
