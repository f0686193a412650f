"""Dead letters over HTTP: grouped, the newest, one whole, and what would become of them now."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from penstock.errors import BadInputError, UsageError
from penstock.layers import dead_letters

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from penstock.engine.client import Client
    from penstock.project.objects import Project

_MOST = 1000
_DEFAULT, _LIVE = 20, 20  # letters of a list, and of an event
_DIGITS = 19  # of a part or a position
_FRESH_S = 3.0  # how long an outlook is given again: it reads every dead letter


class Letters:
    """What is asked of dead letters; none of it changes one.

    Args:
        project: whose.
        client: to the engine.
        status: of the platform.
        outlook: what would become of all of them; reads them all.
        replay: how far the replay is, or how the last one ended.
    """

    def __init__(
        self,
        project: Project,
        client: Client,
        status: Callable[[], dict[str, Any]],
        outlook: Callable[[], dict[str, Any]],
        replay: Callable[[], dict[str, Any]],
    ) -> None:
        self._project, self._client, self._status = project, client, status
        self._judge, self._progress = outlook, replay
        self._newest: tuple[int, bytes] | None = None
        self._looking = asyncio.Lock()
        self._outlook: tuple[tuple[object, ...], float, dict[str, Any]] = ((), 0.0, {})

    def adopt(self, project: Project) -> None:
        """Answer by another version of the project."""
        self._project = project

    async def newest(self, request: Request) -> Response:
        """`GET /v1/dead-letters?domain=&source=&reason=&limit=`.

        Raises:
            BadInputError: the limit is no number. UsageError: there is no such domain.
        """
        asked = request.query_params
        wanted = dead_letters.Wanted(
            _limit(asked), asked.get("source", ""), asked.get("reason", "")
        )
        domain = asked.get("domain", "")
        return JSONResponse(await asyncio.to_thread(self._letters, domain, wanted))

    async def groups(self, request: Request) -> Response:
        """`GET /v1/dead-letters/groups?domain=`.

        Raises:
            UsageError: there is no such domain.
        """
        domain = request.query_params.get("domain", "")
        found = await asyncio.to_thread(dead_letters.groups, self._project, self._client, domain)
        return JSONResponse({"groups": found})

    async def one(self, request: Request) -> Response:
        """`GET /v1/dead-letters/{domain}/{source}/{part}/{pos}`.

        Raises:
            UsageError: there is none at that position, or not any more.
        """
        at = request.path_params
        source, place = (at["domain"], at["source"]), (at["part"], at["pos"])
        letter = None
        if all(text.isdecimal() and len(text) <= _DIGITS for text in place):
            part, pos = map(int, place)
            letter = await asyncio.to_thread(
                dead_letters.one, self._project, self._client, source, part, pos
            )
        if letter is None:
            raise UsageError(
                f"there is no dead letter at {'/'.join(source)} {' '.join(place)[:40]}",
                next_step="it may have been replayed, or be older than bronze keeps records",
            )
        return JSONResponse(letter)

    async def outlook(self, _request: Request) -> Response:
        """`GET /v1/dead-letters/outlook`: judged by the SQL of now; nothing is landed.

        Raises:
            PenstockError: what is in the way, such as an apply that was cut short.
        """
        async with self._looking:  # one at a time, however many look
            held, made, document = self._outlook
            state = (self._status()["adopted"], self._progress()["runs"])
            if held != state or time.monotonic() - made > _FRESH_S:
                document = await asyncio.to_thread(self._judge)
                self._outlook = (state, time.monotonic(), document)
        return JSONResponse(document)

    async def replay(self, _request: Request) -> Response:
        """`GET /v1/dead-letters/replay`: how far it is; asked for again and again meanwhile."""
        return JSONResponse(self._progress())

    async def event(self) -> bytes:
        """The newest of all, for streams.

        Asked for each second; read from the tables only when there are others.
        """
        total = await asyncio.to_thread(self._dead, "", "")  # it may wait for a write
        if self._newest is None or self._newest[0] != total:
            wanted = dead_letters.Wanted(_LIVE)
            document = await asyncio.to_thread(self._letters, "", wanted)
            self._newest = (total, json.dumps(document).encode())
        return self._newest[1]

    def _letters(self, domain: str, wanted: dead_letters.Wanted) -> dict[str, Any]:
        """The newest dead letters of a domain; of all where none is named."""
        project = self._project
        items = [
            letter
            for found in ([project.domain(domain)] if domain else project.domains)
            for letter in dead_letters.newest(found, self._client, wanted)
        ]
        items.sort(key=lambda letter: -int(letter["ingested_ms"]))
        return {"total": self._dead(domain, wanted.source), "items": items[: wanted.limit]}

    def _dead(self, domain: str, source: str) -> int:
        """Dead letters of a domain, of a source or of all, ever."""
        return sum(
            s["dead"]
            for s in self._status()["sources"]
            if domain in ("", s["domain"]) and source in ("", s["source"])
        )


def _limit(asked: Any) -> int:  # noqa: ANN401 - Starlette's mapping
    text = asked.get("limit", str(_DEFAULT))
    if not text.isdecimal() or len(text) > len(str(_MOST)):
        raise BadInputError(
            400,
            "Bad parameter",
            f"limit is {text[:20]!r}",
            next_step=f"a whole number of at most {_MOST:,}",
        )
    return min(int(text), _MOST)
