"""Live pages: one event stream a tab, one query for all viewers of a tile.

A stream always opens. A tile that cannot be shown, because no endpoint has its name, a parameter
is off or its query fails, says so in `problem` events, and is shown as soon as that has passed:
one endpoint that a project lacks takes neither the status nor the other tiles away from a page.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import structlog
from starlette.responses import StreamingResponse

from penstock.errors import BadInputError, PenstockError, UsageError
from penstock.serve.cache import tables_of
from penstock.serve.changes import change
from penstock.serve.params import bind
from penstock.serve.problems import answer_to
from penstock.settings import duration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request

    from penstock.project.objects import Endpoint
    from penstock.serve.cache import Versions
    from penstock.serve.endpoints import Endpoints

_TICK = 0.25  # seconds: at most four frames a second
_LOOK = 0.05  # seconds between looks at what has changed
_STATUS = 1.0
_KEEP_ALIVE = 15.0
_CLOCK = 1.0  # a tile that looks at the clock is asked at least this often
_MOST_TILES = 32  # a dashboard has up to 24
_ON_REQUEST = frozenset({"flow"})  # documents that cost a query: for those only who ask for them
_log = structlog.get_logger(__name__)


@dataclass(eq=False)
class Viewer:
    """One tab: the newest frame of each tile that it has not been sent yet.

    A slow tab misses frames in between, never the newest.

    Attributes:
        also: documents it asked for beside those that everybody gets.
    """

    also: frozenset[str] = frozenset()
    pending: dict[str, bytes] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, name: str, frame: bytes, change: bytes = b"") -> None:
        """Put a frame in place of an older one of the same name.

        Args:
            name: of the tile or the document.
            frame: the whole.
            change: the same as a change of the frame before, where there is such a form.
        """
        # Who has not been sent the frame before cannot know what has changed.
        had = name not in self.pending
        self.pending[name] = change if change and had and "change" in self.also else frame
        self.wake.set()

    def wants(self, document: str) -> bool:
        """Whether a document goes to this tab."""
        return document not in _ON_REQUEST or document in self.also


@dataclass(eq=False)
class Tile:
    """What somebody looks at: an endpoint with parameters, written as its name."""

    name: str
    viewers: set[Viewer] = field(default_factory=set)
    frame: bytes = b""
    body: bytes = b""
    at: int = 0  # of the frame, epoch ms
    task: asyncio.Task[None] | None = None


class Live:
    """The streams of all tabs.

    Args:
        endpoints: what tiles show.
        versions: of tables; a tile is asked again when one it reads has changed.
        documents: other events by name → how to get the document as JSON bytes.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        versions: Versions,
        documents: dict[str, Callable[[], Awaitable[bytes]]],
    ) -> None:
        self._endpoints, self._versions, self._documents = endpoints, versions, documents
        self._tiles: dict[str, Tile] = {}
        self._viewers: set[Viewer] = set()
        self._closing = False
        self._ticker: asyncio.Task[None] | None = None
        self._last: dict[str, bytes] = {}

    async def __call__(self, request: Request) -> StreamingResponse:
        """Open a stream: `?tile=domain/endpoint?param=value`, as often as there are tiles.

        A panel's own query is `domain/dashboard/panel`; `#5s` at the end asks every five seconds.
        With `also=flow`, the figures of the graph as well; with `also=change`, rows that a long
        tile lost and gained instead of all of it, where that is shorter.

        Raises:
            BadInputError: there are too many tiles.
        """
        names = request.query_params.getlist("tile")
        if len(names) > _MOST_TILES:
            raise BadInputError(
                400,
                "Too many tiles",
                f"{len(names)} tiles are asked for; a stream has at most {_MOST_TILES}",
                next_step="open a second stream",
            )
        tiles = [self._tiles.get(name) or Tile(name) for name in names]
        return StreamingResponse(
            self._stream(tiles, frozenset(request.query_params.getlist("also"))),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    def say_goodbye(self) -> None:
        """End every tab's stream; tabs come back by themselves."""
        self._closing = True
        for viewer in list(self._viewers):
            viewer.send("bye", b"event: bye\ndata: {}\n\n")

    async def close(self) -> None:
        """Stop asking."""
        for task in [t.task for t in self._tiles.values()] + [self._ticker]:
            if task is not None:
                task.cancel()

    def _find(self, name: str) -> tuple[Endpoint, dict[str, str], float]:
        """The endpoint, the parameters and the pace that a tile's name says, as the project is now.

        The pace is seconds between two looks, at least.
        """
        try:
            parts = urlsplit(name)
        except ValueError as error:
            raise UsageError(
                f"{name!r} names no tile", next_step="write domain/endpoint?parameter=value"
            ) from error
        place, _, endpoint = parts.path.strip("/").rpartition("/")
        domain, _, dashboard = place.partition("/")
        if dashboard:
            found = self._endpoints.panel(domain, dashboard, endpoint)
        else:
            found = self._endpoints.find(domain or None, endpoint)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        bind(found, params)
        pace = duration(parts.fragment or found.header.text("refresh") or "250ms")
        return found, params, max(_TICK, pace)

    async def _stream(self, tiles: list[Tile], also: frozenset[str]) -> AsyncIterator[bytes]:
        viewer = Viewer(also)
        self._viewers.add(viewer)
        try:
            for tile in tiles:
                self._join(self._tiles.setdefault(tile.name, tile), viewer)
            self._start_ticker()
            for name, frame in self._last.items():
                if viewer.wants(name):
                    viewer.send(name, frame)
            yield b"retry: 1000\n\n"
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(viewer.wake.wait(), _KEEP_ALIVE)
                viewer.wake.clear()
                frames, viewer.pending = viewer.pending, {}
                yield b"".join(frames.values()) or b": keep-alive\n\n"
                if self._closing:
                    return
        finally:
            self._viewers.discard(viewer)
            for tile in tiles:
                self._leave(self._tiles.get(tile.name), viewer)

    def _join(self, tile: Tile, viewer: Viewer) -> None:
        tile.viewers.add(viewer)
        if tile.frame:
            viewer.send(tile.name, tile.frame)
        self._start(tile)

    def _start(self, tile: Tile) -> None:
        if tile.viewers and (tile.task is None or tile.task.done()):
            tile.task = asyncio.create_task(self._refresh(tile))
            tile.task.add_done_callback(_going_on(partial(self._start, tile)))

    def _leave(self, tile: Tile | None, viewer: Viewer) -> None:
        if tile is None:
            return
        tile.viewers.discard(viewer)
        if not tile.viewers:
            self._tiles.pop(tile.name, None)
            if tile.task is not None:
                tile.task.cancel()
                tile.task = None  # whoever holds the tile and joins now starts another

    async def _refresh(self, tile: Tile) -> None:
        """Ask again when a table or a file has changed or the clock has moved; send what is new."""
        while True:
            asked, project, pace = time.monotonic(), self._endpoints.version, _TICK
            tables: tuple[str, ...] = ()
            seen = self._versions.of(tables)
            try:
                endpoint, params, pace = self._find(tile.name)
                tables = tables_of(endpoint)
                seen = self._versions.of(tables)
                frame, changed = await self._ask(tile, endpoint, params)
            except PenstockError as error:
                pace = min(pace, _CLOCK)  # it is shown as soon as it has passed
                tile.body = b""  # so that the next answer is sent even where it is the old one
                frame = _problem(tile.name, error)
                changed = b""
            for viewer in tile.viewers if frame else ():
                viewer.send(tile.name, frame, changed)
            while self._endpoints.version == project and (  # noqa: ASYNC110 - threads bump
                (waited := time.monotonic() - asked) < pace
                or (self._versions.of(tables) == seen and waited < _CLOCK)
            ):
                await asyncio.sleep(min(_LOOK, pace - waited) if waited < pace else _LOOK)

    async def _ask(
        self, tile: Tile, endpoint: Endpoint, params: dict[str, str]
    ) -> tuple[bytes, bytes]:
        """The tile's frame where it differs from the last, and the same as a change of that."""
        # One query serves all viewers already: a tile has no need of an older answer.
        began = time.monotonic()
        answer, _ = await self._endpoints.answer(endpoint, params, "JSONColumns", stale=False)
        if answer.body == tile.body:
            return b"", b""
        took = int((time.monotonic() - began) * 1000)
        tells = any("change" in viewer.also for viewer in tile.viewers)
        changed = change(tile.body, answer.body) if tells and tile.body else None
        since, tile.at, tile.body = tile.at, int(time.time() * 1000), answer.body
        said = {"tile": tile.name, "at": tile.at, "took": took}
        head = json.dumps(said)[:-1].encode()
        # The engine's bytes go out as they are; a line break would end the event's data.
        columns = answer.body.replace(b"\n", b"")
        tile.frame = _event("tile", head + b', "columns": ' + columns + b"}")
        if changed is None:
            return tile.frame, b""
        return tile.frame, _event("change", head + b', "since": %d, ' % since + changed + b"}")

    def _start_ticker(self) -> None:
        if self._viewers and (self._ticker is None or self._ticker.done()):
            for name in _ON_REQUEST:
                self._last.pop(name, None)
            self._ticker = asyncio.create_task(self._tick())
            self._ticker.add_done_callback(_going_on(self._start_ticker))

    async def _tick(self) -> None:
        while self._viewers:
            for name, get in self._documents.items():
                if not any(viewer.wants(name) for viewer in self._viewers):
                    self._last.pop(name, None)  # who comes next gets figures of then
                    continue
                try:
                    frame = _event(name, await get())
                except PenstockError as error:
                    _log.warning("live_document_failed", document=name, what=error.what)
                    continue
                if name == "status" or frame != self._last.get(name):
                    self._last[name] = frame
                    for viewer in self._viewers:
                        if viewer.wants(name):
                            viewer.send(name, frame)
            await asyncio.sleep(_STATUS)


def _going_on(again: Callable[[], None]) -> Callable[[asyncio.Task[None]], None]:
    """What starts a task again, a moment after it has ended by an error that nobody foresaw."""

    def ended(task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        _log.error("live_stopped", reason=repr(error), exc_info=error)
        asyncio.get_running_loop().call_later(_STATUS, again)

    return ended


def _problem(tile: str, error: PenstockError) -> bytes:
    """The same document that the endpoint itself would answer with, and whose it is."""
    said = json.loads(bytes(answer_to(error).body))
    return _event("problem", json.dumps({"tile": tile, **said}).encode())


def _event(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
