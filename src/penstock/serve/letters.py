"""Dead letters over HTTP: grouped, the newest, one whole, and what would become of them now."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from penstock.errors import BadInputError, PenstockError, UsageError
from penstock.layers import dead_letters

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from starlette.requests import Request

    from penstock.engine.client import Client
    from penstock.project.objects import Project

_MOST = 1000
_DEFAULT, _LIVE = 20, 20  # letters of a list, and of an event
_PARTS, _POSITIONS = 2**32, 2**63  # a larger one would wrap around in the engine
_DIGITS = 19  # of either
_KEPT_S = 15.0  # how long groups and lists are given again; with another dead letter they are not
_MOST_KEPT = 32
# How long an outlook is given again: it reads every dead letter, and to the cache of answers its
# scratch table is a write. With no new dead letter, only what bronze lets go by age may change it.
_FRESH_S, _SAME_S = 10.0, 60.0
_REFUSED_S = 2.0  # how long a refusal is given again, or as long as it took to come


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was read: by which rules, of how many, when, how long it took, what came of it."""

    rules: tuple[int, int]
    dead: int
    made: float
    took: float
    document: dict[str, Any] = field(default_factory=dict)
    refused: PenstockError | None = None

    def holds(self, rules: tuple[int, int], seconds: float) -> bool:
        """Whether it may be given again, for so long; a refusal may for moments."""
        if self.refused is not None:
            seconds = max(_REFUSED_S, self.took)
        return self.rules == rules and time.monotonic() - self.made <= seconds

    def given(self) -> dict[str, Any]:
        """The document, or what was in its way."""
        if self.refused is not None:
            raise self.refused
        return self.document


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
        self._outlook: _Kept | None = None
        self._asking = asyncio.Lock()
        self._kept: dict[Hashable, _Kept] = {}

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
        document = await self._once(
            (domain, wanted), lambda: self._letters(self._project, domain, wanted)
        )
        return JSONResponse(document)

    async def groups(self, request: Request) -> Response:
        """`GET /v1/dead-letters/groups?domain=`.

        Raises:
            UsageError: there is no such domain.
        """
        domain = request.query_params.get("domain", "")
        document = await self._once(
            domain,
            lambda: {"groups": dead_letters.groups(self._project, self._client, domain)},
        )
        return JSONResponse(document)

    async def _once(self, asked: Hashable, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A document that is read from the tables once, however many look at the same time."""
        async with self._asking:
            rules = await asyncio.to_thread(self._rules)
            dead = await asyncio.to_thread(self._dead, "", "")
            kept = self._kept.pop(asked, None)
            if kept is None or kept.dead != dead or not kept.holds(rules, _KEPT_S):
                kept = await asyncio.to_thread(_read, read, rules, dead)
            self._kept[asked] = kept
            while len(self._kept) > _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return kept.given()

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
            if part < _PARTS and pos < _POSITIONS:
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
            if held is None or not held.holds(rules, _lasts(held, dead)):
                held = self._outlook = await asyncio.to_thread(_read, self._judge, rules, dead)
        return JSONResponse(held.given())

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
            document = await asyncio.to_thread(self._letters, self._project, "", wanted)
            self._newest = (total, json.dumps(document).encode())
        return self._newest[1]

    def _letters(
        self, project: Project, domain: str, wanted: dead_letters.Wanted
    ) -> dict[str, Any]:
        """The newest dead letters of a domain; of all where none is named."""
        items = dead_letters.newest(project, self._client, wanted, domain)
        if wanted.reason:  # the status counts all reasons together
            total = dead_letters.count(project, self._client, wanted, domain)
        else:
            total = self._dead(domain, wanted.source)
        return {"total": total, "items": items}

    def _dead(self, domain: str, source: str) -> int:
        """Dead letters of a domain, of a source or of all, ever."""
        return sum(
            s["dead"]
            for s in self._status()["sources"]
            if domain in ("", s["domain"]) and source in ("", s["source"])
        )


def _lasts(outlook: _Kept, dead: int) -> float:
    """Seconds for which an outlook is given again, with so many dead letters now."""
    # What takes long is done seldom: at most a tenth of the time goes into it.
    return max(_SAME_S if outlook.dead == dead else _FRESH_S, 9 * outlook.took)


def _read(read: Callable[[], dict[str, Any]], rules: tuple[int, int], dead: int) -> _Kept:
    """Read it, or keep why that was refused: who waits in line must not wait for that again."""
    began, document, refused = time.monotonic(), {}, None
    try:
        document = read()
    except PenstockError as error:
        refused = error
    now = time.monotonic()
    return _Kept(rules, dead, now, now - began, document, refused)


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
