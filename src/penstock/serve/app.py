"""The ASGI application: one place where every path is listed."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from penstock.engine.strangers import is_stranger
from penstock.errors import PenstockError
from penstock.layers import dead_letters
from penstock.serve import dashboards
from penstock.serve.admin import Admin
from penstock.serve.cache import Cache, Versions
from penstock.serve.documents import sent
from penstock.serve.endpoints import Endpoints
from penstock.serve.flow import Flow
from penstock.serve.ingest import Ingest, Landing
from penstock.serve.letters import Letters
from penstock.serve.live import Live
from penstock.serve.metrics import exposition
from penstock.serve.needs import needs
from penstock.serve.openapi import document
from penstock.serve.problems import on_error, on_refusal, problem
from penstock.serve.saved import Saved
from penstock.serve.schema import Schema
from penstock.serve.session import Door
from penstock.serve.sql import Sql
from penstock.serve.ui import Page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from penstock.engine.client import Client
    from penstock.layers.landing import Passage
    from penstock.project.objects import Project
    from penstock.serve.idempotency import Idempotency
    from penstock.serve.redis_tier import RedisTier
    from penstock.serve.session import Sessions
    from penstock.sources.http import HttpSource, Receipt
    from penstock.store.saved_queries import SavedQueries

_UI = Path(__file__).parent / "_ui"
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass(frozen=True)
class Services:
    """What the application needs of the platform that runs it.

    Attributes:
        project: what is served.
        client: to the engine, with the key.
        versions: of tables, bumped as batches land.
        tier: of the cache, outside the process; None where there is none.
        sources: the HTTP sources by (domain, name).
        landed: whether the rows of a receipt can be queried.
        idempotency: the keys in use.
        status: the status document.
        reconcile: the proof of counts; may take a while.
        ready: whether the engine answers and no source is blocked.
        max_body: most bytes of a request's body.
        snapshot: takes a snapshot of the data directory.
        heal: heals the engine, for who lands from another process; gets and gives JSON.
        apply: brings the database to what the files say; gets and gives JSON.
        replay: lands dead letters again that are good by now; gets and gives JSON.
        outlook: what would become of all dead letters, if they were replayed now.
        replaying: how far the replay is, or how the last one ended.
        intake: the sources, each with where it stands and how fast it goes.
        alerts: with their newest incidents.
        test_alert: asks an alert now, and sends a test where that is wanted; JSON both ways.
        silence: tells nobody of an alert for a time; JSON both ways.
        past_alerts: incidents of a span of time, as JSON.
        checks: of the data, with their newest results.
        passages: the newest batch of each source, by (domain, source).
        saved: statements that people kept.
        key: of the data directory; who has it may call what changes anything.
        sessions: of pages that may act.
        open_command: prints a link that opens one.
    """

    project: Project
    client: Client
    versions: Versions
    tier: RedisTier | None
    sources: Mapping[tuple[str, str], HttpSource]
    landed: Callable[[HttpSource, Receipt], bool]
    idempotency: Idempotency
    status: Callable[[], dict[str, Any]]
    reconcile: Callable[[], dict[str, Any]]
    ready: Callable[[], bool]
    max_body: int
    snapshot: Callable[[], dict[str, Any]]
    heal: Callable[[Mapping[str, Any]], dict[str, Any]]
    apply: Callable[[Mapping[str, Any]], dict[str, Any]]
    replay: Callable[[Mapping[str, Any]], dict[str, Any]]
    outlook: Callable[[], dict[str, Any]]
    replaying: Callable[[], dict[str, Any]]
    intake: Callable[[], dict[str, Any]]
    alerts: Callable[[], dict[str, Any]]
    test_alert: Callable[[Mapping[str, Any]], dict[str, Any]]
    silence: Callable[[Mapping[str, Any]], dict[str, Any]]
    past_alerts: Callable[[Mapping[str, str]], dict[str, Any]]
    checks: Callable[[], dict[str, Any]]
    passages: Callable[[], Mapping[tuple[str, str], Passage]]
    saved: SavedQueries
    key: str
    sessions: Sessions
    open_command: str


class Application:
    """The application and what must be closed with it.

    Args:
        services: of the platform.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        cache = Cache(services.versions, services.tier)
        endpoints = Endpoints(services.project, services.client, cache)
        landing = Landing(services.landed, self._refused)
        self._endpoints = endpoints
        self._letters = Letters(
            services.project, services.client, services.status, services.outlook,
            services.replaying,
        )  # fmt: skip
        ingest = Ingest(services.sources, landing, services.idempotency, services.max_body)
        asked = {"status": services.status, "alerts": services.alerts, "checks": services.checks}
        self._flow = Flow(
            services.project, services.client, asked, services.passages, endpoints.paces
        )
        self.live = Live(endpoints, services.versions, self._documents())
        self._openapi = document(services.project)
        self._sql = Sql(services.project, services.client)
        self._schema = Schema(services.project, services.client)
        routed = Starlette(
            routes=[*self._serving(ingest), *self._pages(), *self._acting(), *self._rest()],
            exception_handlers={PenstockError: on_error, HTTPException: on_refusal},
            lifespan=self._lifespan,
        )
        self.app = SameOrigin(endpoints.quick(routed))

    def _serving(self, ingest: Ingest) -> list[Route]:
        """What is sent and what is read."""
        endpoints, letters = self._endpoints, self._letters
        return [
            Route("/v1/ingest/{domain}/{source}", ingest.__call__, methods=["POST"]),
            Route("/v1/ingest/{source}", ingest.__call__, methods=["POST"]),
            Route("/v1/endpoints", endpoints.listing),
            Route("/v1/endpoints/{domain}/{name}", endpoints.__call__),
            Route("/v1/endpoints/{name}", endpoints.__call__),
            Route("/v1/live", self.live.__call__),
            Route("/v1/status", self._status),
            Route("/v1/sources", self._sources),
            Route("/v1/dead-letters", letters.newest),
            Route("/v1/dead-letters/groups", letters.groups),
            Route("/v1/dead-letters/outlook", letters.outlook),
            Route("/v1/dead-letters/replay", letters.replay),
            Route("/v1/dead-letters/{domain}/{source}/{part}/{pos}", letters.one),
            Route("/v1/alerts", self._alerts),
            Route("/v1/alerts/history", self._past_alerts),
            Route("/v1/checks", self._checks),
            Route("/v1/reconcile", self._reconcile),
        ]

    def _pages(self) -> list[Route]:
        """What only pages ask for."""
        flow, sql, saved = self._flow, self._sql, Saved(self._services.saved)
        return [
            Route("/v1/dashboards", self._dashboards),
            Route("/v1/dashboards/{domain}/{dashboard}/{name}", self._endpoints.__call__),
            Route("/v1/flow", flow.__call__),
            Route("/v1/flow/{domain}/{name}", flow.one),
            Route("/v1/flow/{domain}/{folder}/{name}", flow.one),
            Route("/v1/flow/{domain}/sources/{name}/passage", flow.passage),
            Route("/v1/sql", sql.ask, methods=["POST"]),
            Route("/v1/sql/schema", self._schema.__call__),
            Route("/v1/sql/functions", self._schema.functions),
            Route("/v1/sql/saved", saved.list),
            Route("/v1/sql/saved/{name:path}", saved.put, methods=["PUT"]),
            Route("/v1/sql/saved/{name:path}", saved.delete, methods=["DELETE"]),
            Route("/v1/sql/{id}", sql.progress),
            Route("/v1/sql/{id}", sql.cancel, methods=["DELETE"]),
        ]

    def _acting(self) -> list[Route]:
        """What changes something: for the key of the data directory, or a session."""
        door = Door(self._services.sessions, self._services.open_command)
        admin = Admin(self._services, door)
        return [
            Route("/v1/admin/apply", admin.apply, methods=["POST"]),
            Route("/v1/admin/heal", admin.heal, methods=["POST"]),
            Route("/v1/admin/snapshot", admin.snapshot, methods=["POST"]),
            Route("/v1/admin/replay", admin.replay, methods=["POST"]),
            Route("/v1/admin/alerts/test", admin.test_alert, methods=["POST"]),
            Route("/v1/admin/alerts/silence", admin.silence, methods=["POST"]),
            Route("/v1/admin/link", admin.link, methods=["POST"]),
            Route("/v1/session", door.__call__, methods=["GET", "POST", "DELETE"]),
        ]

    def _rest(self) -> list[Route]:
        """Descriptions, health, and what is no other path: the page's files."""
        return [
            Route("/openapi.json", self._describe),
            Route("/metrics", self._metrics),
            Route("/healthz", _healthy),
            Route("/readyz", self._readyz),
            Route("/v1/ingest/{rest:path}", _posted, methods=_METHODS),
            Route("/v1/sql", _posted, methods=_METHODS),
            Route("/v1/{rest:path}", _unknown),
            Route("/{path:path}", Page(_UI).__call__),
        ]

    def adopt(self, project: Project) -> None:
        """Serve another version of the project: what is asked from now on, open tiles as well."""
        self._services = replace(self._services, project=project)
        self._openapi = document(project)
        self._endpoints.adopt(project)
        self._flow.adopt(project)
        self._sql.adopt(project)
        self._schema.adopt(project)
        self._letters.adopt(project)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        tier = self._services.tier
        if tier is not None:
            await tier.open()
        yield
        await self.live.close()
        self._sql.close()
        if tier is not None:
            await tier.close()

    def _documents(self) -> dict[str, Any]:
        async def status() -> bytes:
            return json.dumps(await asyncio.to_thread(self._services.status)).encode()

        async def needed() -> bytes:
            services = self._services
            alerts = await asyncio.to_thread(services.alerts)
            checks = await asyncio.to_thread(services.checks)
            return json.dumps(needs(alerts, checks)).encode()

        return {
            "status": status,
            "dead_letters": self._letters.event,
            "needs": needed,
            "flow": self._flow.event,
        }

    def _refused(
        self, source: tuple[str, str], receipts: Sequence[Receipt], most: int
    ) -> dead_letters.Refused:
        services = self._services  # as they are now: files may have been taken up since
        return dead_letters.within(services.project, services.client, source, receipts, most)

    async def _status(self, _request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self._services.status))

    async def _reconcile(self, _request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self._services.reconcile))

    async def _sources(self, _request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self._services.intake))

    async def _alerts(self, _request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self._services.alerts))

    async def _past_alerts(self, request: Request) -> Response:
        asked = dict(request.query_params)
        return JSONResponse(await asyncio.to_thread(self._services.past_alerts, asked))

    async def _checks(self, _request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self._services.checks))

    async def _dashboards(self, request: Request) -> Response:
        return sent(request, dashboards.document(self._services.project))

    async def _describe(self, request: Request) -> Response:
        return sent(request, self._openapi)

    async def _readyz(self, _request: Request) -> Response:
        ready = await asyncio.to_thread(self._services.ready)
        return PlainTextResponse("ready\n" if ready else "not ready\n", 200 if ready else 503)

    async def _metrics(self, _request: Request) -> Response:
        status = await asyncio.to_thread(self._services.status)
        text = exposition(status, self._endpoints.timings())
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


class SameOrigin:
    """Refuses pages of other origins before anything else looks at a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 403."""
        if scope["type"] == "http":
            headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
            # A link from another page may open ours: only that, and only to read.
            opens = (
                headers.get("sec-fetch-mode") == "navigate"
                and headers.get("sec-fetch-dest", "document") == "document"
                and scope["method"] == "GET"
            )
            if opens:
                headers.pop("sec-fetch-site", None)
            if is_stranger(headers):
                refused = problem(
                    403,
                    "Another origin",
                    "this platform answers programs on this machine and its own page",
                    code="another_origin",
                    next_step="call it from a program, or open its own page",
                )
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _healthy(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _posted(request: Request) -> Response:
    if request.method != "POST":
        raise HTTPException(405, headers={"Allow": "POST"})
    return await _unknown(request)


async def _unknown(request: Request) -> Response:
    return problem(
        404, "Not found", f"there is no {request.url.path}", code="not_found",
        next_step="/openapi.json lists every path",
    )  # fmt: skip
