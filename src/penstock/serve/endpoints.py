"""`GET /v1/endpoints/{domain}/{name}.{format}`: a SELECT with typed parameters, as bytes."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING, Any, cast

from starlette.responses import JSONResponse, Response

from penstock.errors import UsageError
from penstock.serve.cache import Key, Terms
from penstock.serve.params import bind
from penstock.serve.quick import Known, Meaning, Quick
from penstock.serve.timings import Timings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from penstock.engine.client import Client
    from penstock.project.objects import Endpoint, Project
    from penstock.serve.cache import Answer, Cache
    from penstock.serve.timings import Outcome, Timing

# Suffix → ClickHouse format and media type.
FORMATS = {
    "json": ("JSON", "application/json"),
    "ndjson": ("JSONEachRow", "application/x-ndjson"),
    "csv": ("CSVWithNames", "text/csv; charset=utf-8"),
    "columns": ("JSONColumns", "application/json"),
    "parquet": ("Parquet", "application/vnd.apache.parquet"),
    "arrow": ("Arrow", "application/vnd.apache.arrow.file"),
}
# How long a query took would give equal answers different tags.
_SETTINGS = {"output_format_write_statistics": "0"}
# The page draws times: with their zone, whatever the server's is.
_PAGE, _ISO = "JSONColumns", {"date_time_output_format": "iso"}


class Endpoints:
    """The endpoints of a project.

    Args:
        project: whose serve/ files they are.
        client: to the engine.
        cache: of finished answers.
    """

    def __init__(self, project: Project, client: Client, cache: Cache) -> None:
        self._project, self._client, self._cache = project, client, cache
        self.version = 0
        self._asked, self._live = Timings(), Timings()
        self._known = Known()

    def quick(self, app: ASGIApp) -> ASGIApp:
        """An application that answers what is held by itself, and passes the rest on."""
        return Quick(app, self._known, self._cache, self._asked)

    def adopt(self, project: Project) -> None:
        """Answer by another version of the project; `version` counts them."""
        self._project = project
        self.version += 1
        self._known.clear()
        for timings in (self._asked, self._live):
            timings.keep((e.domain, e.name) for e in project.endpoints())

    async def __call__(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            UsageError: 404. BadInputError: 400. EngineError: the query failed.
        """
        name, _, suffix = request.path_params["name"].rpartition(".")
        if suffix not in FORMATS:
            raise UsageError(
                f"there is no format {suffix!r}", next_step=f"known: {', '.join(FORMATS)}"
            )
        place = request.path_params
        if "dashboard" in place:
            endpoint = self.panel(place["domain"], place["dashboard"], name)
        else:
            endpoint = self.find(place.get("domain"), name)
        began, version, given = time.perf_counter(), self.version, dict(request.query_params)
        form, media = FORMATS[suffix]
        answer, state = await self.answer(endpoint, given, form)
        if version == self.version and not endpoint.written:  # macros look at the clock
            key, query = self._wanted(endpoint, given, form)
            meaning = Meaning(endpoint, key, Terms.of(endpoint), media.encode(), query)
            self._known.note(request.scope, meaning)
        headers = {
            "ETag": answer.etag,
            "Cache-Control": "private, no-cache",
            "X-Cache": state,
            "Server-Timing": f"answer;dur={(time.perf_counter() - began) * 1000:.2f}",
        }
        if answer.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(answer.body, headers=headers, media_type=media)

    async def listing(self, _request: Request) -> Response:
        """`GET /v1/endpoints`: each with its SQL, its parameters and how it fares."""
        return JSONResponse(
            {
                "formats": list(FORMATS),
                "endpoints": [self._document(endpoint) for endpoint in self._project.endpoints()],
            }
        )

    def timings(self) -> list[tuple[str, str, Timing]]:
        """Domain, name and timing of each endpoint, of requests alone."""
        return [
            (e.domain, e.name, self._asked.of((e.domain, e.name)))
            for e in self._project.endpoints()
        ]

    def paces(self) -> dict[tuple[str, str], tuple[int, float | None]]:
        """(domain, name) → how often it was asked, by tiles too, and its median in milliseconds."""
        found = {}
        for endpoint in self._project.endpoints():
            key = (endpoint.domain, endpoint.name)
            both = (self._asked.of(key), self._live.of(key))
            newest = [ms for timing in both for ms in timing.newest]
            asked = sum(timing.counts.total() for timing in both)
            found[key] = (asked, round(statistics.median(newest), 1) if newest else None)
        return found

    def _document(self, endpoint: Endpoint) -> dict[str, Any]:
        key = (endpoint.domain, endpoint.name)
        return {
            "domain": endpoint.domain,
            "name": endpoint.name,
            "description": endpoint.header.description,
            "params": [
                {"name": p.name, "type": p.type, "default": p.default, "required": p.required,
                 "description": p.description}
                for p in endpoint.params
            ],
            "reads": list(endpoint.reads),
            "database": endpoint.database,
            "cache": endpoint.header.text("cache"),
            "max_stale": endpoint.header.text("max_stale"),
            "file": endpoint.path.relative_to(self._project.root).as_posix(),
            "sql": endpoint.sql,
            "asked": self._asked.of(key).document(),
            "live": self._live.of(key).document(),
        }  # fmt: skip

    def find(self, domain: str | None, name: str) -> Endpoint:
        """An endpoint by name; the domain may be left out while the name is unique.

        Raises:
            UsageError: there is none, or several.
        """
        if domain:
            return self._project.endpoint(domain, name)
        found = [e for e in self._project.endpoints() if e.name == name]
        if len(found) != 1:
            names = ", ".join(f"{e.domain}/{e.name}" for e in found or self._project.endpoints())
            raise UsageError(f"{name!r} names no single endpoint", next_step=f"known: {names}")
        return found[0]

    def panel(self, domain: str, dashboard: str, name: str) -> Endpoint:
        """What a panel asks that has a SELECT of its own.

        Raises:
            UsageError: there is none.
        """
        return self._project.domain(domain).dashboard(dashboard).query(name)

    async def answer(
        self, endpoint: Endpoint, given: Mapping[str, str], form: str, *, stale: bool = True
    ) -> tuple[Answer, str]:
        """An endpoint's answer in a format, and where it came from (see `Cache.get`).

        Raises:
            BadInputError: an unknown or a missing parameter. EngineError: the query failed.
        """
        key, query = self._wanted(endpoint, given, form)
        timings = self._asked if stale else self._live  # who will not have a stale one is a tile
        began, outcome = time.perf_counter(), "error"
        try:
            answer, outcome = await self._cache.get(endpoint, key, query, stale=stale)
        except asyncio.CancelledError:
            outcome = ""  # who asked has left: that says nothing of the query
            raise
        finally:
            if outcome:
                took = time.perf_counter() - began
                timings.note((endpoint.domain, endpoint.name), cast("Outcome", outcome), took)
        return answer, outcome

    def _wanted(
        self, endpoint: Endpoint, given: Mapping[str, str], form: str
    ) -> tuple[Key, Callable[[], Awaitable[bytes]]]:
        """The key of an answer, and what makes it.

        Raises:
            BadInputError: an unknown or a missing parameter.
        """
        params = bind(endpoint, given)
        key = Key(endpoint.domain, endpoint.name, form, tuple(params.items()), endpoint.sql)
        return key, lambda: asyncio.to_thread(
            self._client.fetch,
            endpoint.sql,
            form,
            database=endpoint.database,
            params=params,
            settings=_SETTINGS | _ISO if form == _PAGE else _SETTINGS,
        )
