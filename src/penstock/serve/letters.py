"""Dead letters over HTTP: grouped, the newest, one whole, and what would become of them now."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
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
# How long an outlook is given again: it reads every dead letter, and to the cache of answers its
# scratch table is a write. With no new dead letter, only what bronze lets go by age may change it.
_FRESH_S, _SAME_S = 10.0, 60.0


@dataclass(frozen=True, slots=True)
class _Outlook:
    """The last outlook: by which rules, of how many, when, and what came of it."""

    rules: tuple[int, int] = (-1, -1)
    dead: int = -1
    made: float = 0.0
    document: dict[str, Any] = field(default_factory=dict)


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
        self._outlook = _Outlook()

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
            rules = await asyncio.to_thread(self._rules)
            dead = await asyncio.to_thread(self._dead, "", "")
            held = self._outlook
            kept_s = _SAME_S if held.dead == dead else _FRESH_S
            if held.rules != rules or time.monotonic() - held.made > kept_s:
                document = await asyncio.to_thread(self._judge)
                held = self._outlook = _Outlook(rules, dead, time.monotonic(), document)
        return JSONResponse(held.document)

    def _rules(self) -> tuple[int, int]:
        """Another one where files were taken up, or a replay has ended."""
        return self._status()["adopted"], self._progress()["runs"]

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
