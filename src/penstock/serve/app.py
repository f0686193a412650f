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
from penstock.errors import BadInputError, PenstockError
from penstock.layers import dead_letters
from penstock.serve import dashboards
from penstock.serve.admin import Admin
from penstock.serve.cache import Cache, Versions
from penstock.serve.endpoints import Endpoints
from penstock.serve.flow import Flow
from penstock.serve.ingest import Ingest, Landing
from penstock.serve.live import Live
from penstock.serve.needs import needs
from penstock.serve.openapi import document
from penstock.serve.problems import on_error, on_refusal, problem
from penstock.serve.saved import Saved
from penstock.serve.schema import Schema
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
    from penstock.sources.http import HttpSource, Receipt
    from penstock.store.saved_queries import SavedQueries

_UI = Path(__file__).parent / "_ui"
_MOST_LETTERS = 1000
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass(frozen=True)
class Services:
    """What the application needs of the platform that runs it.

    Attributes:
        project: what is served.
        client: to the engine, with the key.
        versions: of tables, bumped as batches land.
        sources: the HTTP sources by (domain, name).
        landed: whether the rows of a receipt can be queried.
        idempotency: the keys in use.
        status: the status document.
        reconcile: the proof of counts; may take a while.
        ready: whether the engine answers and no source is blocked.
        max_body: most bytes of a request's body.
        snapshot: takes a snapshot of the data directory.
        apply: brings the database to what the files say; gets and gives JSON.
        replay: lands dead letters again that are good by now; gets and gives JSON.
        alerts: with their newest incidents.
        checks: of the data, with their newest results.
        passages: the newest batch of each source, by (domain, source).
        saved: statements that people kept.
        key: of the data directory; who has it may call the three.
    """

    project: Project
    client: Client
    versions: Versions
    sources: Mapping[tuple[str, str], HttpSource]
    landed: Callable[[HttpSource, Receipt], bool]
    idempotency: Idempotency
    status: Callable[[], dict[str, Any]]
    reconcile: Callable[[], dict[str, Any]]
    ready: Callable[[], bool]
    max_body: int
    snapshot: Callable[[], dict[str, Any]]
    apply: Callable[[Mapping[str, Any]], dict[str, Any]]
    replay: Callable[[Mapping[str, Any]], dict[str, Any]]
    alerts: Callable[[], dict[str, Any]]
    checks: Callable[[], dict[str, Any]]
    passages: Callable[[], Mapping[tuple[str, str], Passage]]
    saved: SavedQueries
    key: str


class Application:
    """The application and what must be closed with it.

    Args:
        services: of the platform.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._newest: tuple[int, bytes] | None = None
        endpoints = Endpoints(services.project, services.client, Cache(services.versions))
        landing = Landing(services.landed, self._refused)
        self._endpoints = endpoints
        ingest = Ingest(services.sources, landing, services.idempotency, services.max_body)
        asked = {"status": services.status, "alerts": services.alerts, "checks": services.checks}
        self._flow = flow = Flow(services.project, services.client, asked, services.passages)
        self.live = Live(endpoints, services.versions, self._documents())
        self._openapi = document(services.project)
        admin = Admin(services.key, services.apply, services.snapshot, services.replay)
        self._sql = Sql(services.project, services.client)
        self._schema = Schema(services.project, services.client)
        routes = [
            Route("/v1/ingest/{domain}/{source}", ingest.__call__, methods=["POST"]),
            Route("/v1/ingest/{source}", ingest.__call__, methods=["POST"]),
            Route("/v1/endpoints/{domain}/{name}", endpoints.__call__),
            Route("/v1/endpoints/{name}", endpoints.__call__),
            Route("/v1/dashboards", self._dashboards),
            Route("/v1/dashboards/{domain}/{dashboard}/{name}", endpoints.__call__),
            Route("/v1/live", self.live.__call__),
            Route("/v1/flow", flow.__call__),
            Route("/v1/flow/{domain}/{name}", flow.one),
            Route("/v1/flow/{domain}/{folder}/{name}", flow.one),
            Route("/v1/flow/{domain}/sources/{name}/passage", flow.passage),
            Route("/v1/status", self._status),
            Route("/v1/dead-letters", self._dead_letters),
            Route("/v1/alerts", self._alerts),
            Route("/v1/checks", self._checks),
            Route("/v1/reconcile", self._reconcile),
            *_sql_routes(self._sql, self._schema, Saved(services.saved)),
            Route("/v1/admin/apply", admin.apply, methods=["POST"]),
            Route("/v1/admin/snapshot", admin.snapshot, methods=["POST"]),
            Route("/v1/admin/replay", admin.replay, methods=["POST"]),
            Route("/openapi.json", self._describe),
            Route("/metrics", self._metrics),
            Route("/healthz", _healthy),
            Route("/readyz", self._readyz),
            Route("/v1/ingest/{rest:path}", _posted, methods=_METHODS),
            Route("/v1/sql", _posted, methods=_METHODS),
            Route("/v1/{rest:path}", _unknown),
            Route("/{path:path}", Page(_UI).__call__),
        ]
        self.app = SameOrigin(
            Starlette(
                routes=routes,
                exception_handlers={PenstockError: on_error, HTTPException: on_refusal},
                lifespan=self._lifespan,
            )
        )

    def adopt(self, project: Project) -> None:
        """Serve another version of the project: what is asked from now on, open tiles as well."""
        self._services = replace(self._services, project=project)
        self._openapi = document(project)
        self._endpoints.adopt(project)
        self._flow.adopt(project)
        self._sql.adopt(project)
        self._schema.adopt(project)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        yield
        await self.live.close()
        self._sql.close()

    def _documents(self) -> dict[str, Any]:
        async def status() -> bytes:
            return json.dumps(await asyncio.to_thread(self._services.status)).encode()

        async def letters() -> bytes:
            """Asked for each second; read from the tables only when there are others."""
            total = await asyncio.to_thread(self._dead)  # it may wait for a write
            if self._newest is None or self._newest[0] != total:
                document = await asyncio.to_thread(self._letters, "", 20)
                self._newest = (total, json.dumps(document).encode())
            return self._newest[1]

        async def needed() -> bytes:
            services = self._services
            alerts = await asyncio.to_thread(services.alerts)
            checks = await asyncio.to_thread(services.checks)
            return json.dumps(needs(alerts, checks)).encode()

        return {
            "status": status, "dead_letters": letters, "needs": needed, "flow": self._flow.event,
        }  # fmt: skip

    def _refused(
        self, source: tuple[str, str], receipts: Sequence[Receipt], most: int
    ) -> dead_letters.Refused:
        services = self._services  # as they are now: files may have been taken up since
        return dead_letters.within(services.project, services.client, source, receipts, most)

    def _letters(self, domain: str, limit: int) -> dict[str, Any]:
        """The newest dead letters of a domain; of all where none is named."""
        project = self._services.project
        items = [
            {"domain": found.name, **letter}
            for found in ([project.domain(domain)] if domain else project.domains)
            for letter in dead_letters.newest(found, self._services.client, limit)
        ]
        items.sort(key=lambda letter: -int(letter["ingested_ms"]))
        return {"total": self._dead(domain), "items": items[:limit]}

    def _dead(self, domain: str = "") -> int:
        """Dead letters of a domain, or of all, ever."""
        sources = self._services.status()["sources"]
        return sum(s["dead"] for s in sources if not domain or s["domain"] == domain)

    async def _status(self, _request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self._services.status))

    async def _dead_letters(self, request: Request) -> Response:
        domain = request.query_params.get("domain", "")
        text = request.query_params.get("limit", "20")
        if not text.isdecimal() or len(text) > len(str(_MOST_LETTERS)):
            raise BadInputError(
                400,
                "Bad parameter",
                f"limit is {text[:20]!r}",
                next_step=f"a whole number of at most {_MOST_LETTERS:,}",
            )
        limit = min(int(text), _MOST_LETTERS)
        return JSONResponse(await asyncio.to_thread(self._letters, domain, limit))

    async def _reconcile(self, _request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self._services.reconcile))

    async def _alerts(self, _request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self._services.alerts))

    async def _checks(self, _request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self._services.checks))

    async def _dashboards(self, _request: Request) -> Response:
        return JSONResponse(dashboards.document(self._services.project))

    async def _describe(self, _request: Request) -> Response:
        return JSONResponse(self._openapi)

    async def _readyz(self, _request: Request) -> Response:
        ready = await asyncio.to_thread(self._services.ready)
        return PlainTextResponse("ready\n" if ready else "not ready\n", 200 if ready else 503)

    async def _metrics(self, _request: Request) -> Response:
        status = await asyncio.to_thread(self._services.status)
        return PlainTextResponse(_exposition(status), media_type="text/plain; version=0.0.4")


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


def _sql_routes(sql: Sql, schema: Schema, saved: Saved) -> list[Route]:
    return [
        Route("/v1/sql", sql.ask, methods=["POST"]),
        Route("/v1/sql/schema", schema.__call__),
        Route("/v1/sql/functions", schema.functions),
        Route("/v1/sql/saved", saved.list),
        Route("/v1/sql/saved/{name:path}", saved.put, methods=["PUT"]),
        Route("/v1/sql/saved/{name:path}", saved.delete, methods=["DELETE"]),
        Route("/v1/sql/{id}", sql.progress),
        Route("/v1/sql/{id}", sql.cancel, methods=["DELETE"]),
    ]


def _exposition(status: dict[str, Any]) -> str:
    """The status as Prometheus text: each metric's lines as one group."""
    lines: list[str] = []
    for name, kind, key in (
        ("rows_accepted_total", "counter", "accepted"),
        ("rows_landed_total", "counter", "landed"),
        ("rows_in_flight", "gauge", "in_flight"),
    ):
        lines.append(f"# TYPE penstock_{name} {kind}")
        lines += [
            f'penstock_{name}{{domain="{s["domain"]}",source="{s["source"]}"}} {s[key]}'
            for s in status["sources"]
        ]
    balance, fresh = status["balance"], status["freshness_ms"]
    lines += [
        "# TYPE penstock_dead_letters_total counter",
        f"penstock_dead_letters_total {balance['dead_letters']}",
        "# TYPE penstock_balance gauge",
        f"penstock_balance {balance['difference']}",
        "# TYPE penstock_freshness_seconds gauge",
        f'penstock_freshness_seconds{{quantile="0.5"}} {fresh["p50"] / 1000}',
        f'penstock_freshness_seconds{{quantile="0.99"}} {fresh["p99"] / 1000}',
    ]
    return "\n".join(lines) + "\n"


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
