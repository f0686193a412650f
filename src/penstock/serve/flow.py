"""`/v1/flow`: the project as a graph, what goes through it now, and one batch on its way.

The graph changes with the files; its figures are an event of live pages that ask for it, at most
once a second, from one query for all tables.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from penstock.errors import UsageError
from penstock.layers import showing
from penstock.project.lineage import Graph, alert_id, endpoint_id, relation_id, source_id
from penstock.serve.documents import sent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from penstock.engine.client import Client
    from penstock.layers.landing import Passage
    from penstock.layers.showing import Size
    from penstock.project.lineage import Node
    from penstock.project.objects import Domain, Project, Relation

_RATE = 5.0  # seconds that a rate looks back
_LOOK = 0.02  # seconds between looks for the next batch
_PATIENCE = 25.0  # seconds that a follower waits for it


class Flow:
    """The graph of a project that runs.

    Args:
        project: whose.
        client: to the engine.
        documents: `status`, `alerts` and `checks` of the platform.
        passages: the newest batch of each source, by (domain, source).
        paces: of each endpoint, by (domain, name): how often it was asked, and its median in ms;
            called by the event loop alone.
    """

    def __init__(
        self,
        project: Project,
        client: Client,
        documents: Mapping[str, Callable[[], dict[str, Any]]],
        passages: Callable[[], Mapping[tuple[str, str], Passage]],
        paces: Callable[[], Mapping[tuple[str, str], tuple[int, float | None]]],
    ) -> None:
        self._client, self._documents, self._passages = client, documents, passages
        self._paces = paces
        self._counted: deque[tuple[float, dict[str, tuple[int, int]]]] = deque(maxlen=64)
        self.adopt(project)

    def adopt(self, project: Project) -> None:
        """Show another version of the project."""
        graph = Graph.of(project)
        document = {
            "nodes": [_node(node, project) for node in graph.nodes],
            "wires": [{"from": w.start, "to": w.end, "carries": w.carries} for w in graph.wires],
        }
        self._project, self._graph = project, graph
        self._body = json.dumps(document).encode()

    async def __call__(self, request: Request) -> Response:
        """`GET /v1/flow`: the graph."""
        return sent(request, self._body)

    async def one(self, request: Request) -> Response:
        """`GET /v1/flow/{domain}/{name}`, or with a folder in between: one node in full.

        Raises:
            UsageError: there is no such node. EngineDownError: not reached.
        """
        given = request.path_params
        parts = (given[name] for name in ("domain", "folder", "name") if name in given)
        return JSONResponse(await asyncio.to_thread(self._full, self._find(*parts)))

    async def passage(self, request: Request) -> Response:
        """`GET /v1/flow/{domain}/sources/{name}/passage`: the next batch, as soon as it is closed.

        With `wait=0` it says at once that there is none, and what time it is.

        Raises:
            UsageError: there is no such source.
        """
        given = request.path_params
        node = self._find(given["domain"], "sources", given["name"])
        key = (node.domain, node.name)
        before = self._passages().get(key)
        patience = 0.0 if request.query_params.get("wait") == "0" else _PATIENCE
        deadline = time.monotonic() + patience
        while (now := self._passages().get(key)) == before and time.monotonic() < deadline:  # noqa: ASYNC110 - landers are threads
            await asyncio.sleep(_LOOK)
        found = None if now is None or now == before else now
        times = {name: getattr(found, name) for name in found.__slots__} if found else None
        return JSONResponse({"passage": times, "told_ms": time.time_ns() // 1_000_000})

    async def event(self) -> bytes:
        """The figures of every node that has some, as JSON."""
        served = {endpoint_id(*key): pace for key, pace in self._paces().items()}
        return json.dumps(await asyncio.to_thread(self._figures, served)).encode()

    def _find(self, *parts: str) -> Node:
        node = self._graph.node(".".join(parts))
        if node is None:
            names = ", ".join(n.id for n in self._graph.nodes if n.domain == parts[0])
            raise UsageError(
                f"there is no {'/'.join(parts)} in the graph",
                next_step=f"known: {names}" if names else "GET /v1/flow lists every node",
            )
        return node

    def _full(self, node: Node) -> dict[str, Any]:
        domain = self._project.domain(node.domain)
        document = {
            **_node(node, self._project),
            "text": _text(node),
            "reads": list(self._graph.reads(node.id)),
            "readers": list(self._graph.readers(node.id)),
            "columns": [],
            "sample": None,
            "checks": [],
        }
        relation = next((r for r in domain.relations if relation_id(r) == node.id), None)
        if relation is not None:
            columns = showing.columns(relation, self._client)
            document["columns"] = columns
            document["sample"] = showing.sample(relation, columns, self._client, self._mark())
            document["checks"] = self._checks(domain, relation)
        return document

    def _mark(self) -> showing.Mark | None:
        """The newest batch of all sources."""
        newest = max(self._passages().values(), key=lambda p: p.batch, default=None)
        return showing.Mark(newest.batch, newest.cut_ms) if newest else None

    def _checks(self, domain: Domain, relation: Relation) -> list[dict[str, Any]]:
        """The checks that read a relation, with their newest results."""
        names = {check.name for check in domain.checks if relation.name in check.reads}
        found = self._documents["checks"]()["checks"]
        return [c for c in found if c["domain"] == domain.name and c["name"] in names]

    def _figures(self, served: Mapping[str, tuple[int, float | None]]) -> dict[str, Any]:
        databases = [domain.database for domain in self._project.domains]
        sizes = showing.sizes(databases, self._client)
        sources = self._documents["status"]()["sources"]
        landed = {source_id(s["domain"], s["source"]): (s["landed"], s["good"]) for s in sources}
        rates = self._rates(landed | {key: (asked, asked) for key, (asked, _) in served.items()})
        figures = [
            *(_figure(k, rows=rows, rate=_first(rates[k])) for k, (rows, _) in landed.items()),
            *({**_figure(k, rate=_first(rates[k])), "ms": ms} for k, (_, ms) in served.items()),
            *self._of_alerts(),
        ]
        for domain in self._project.domains:
            taken = self._taken(domain, sources, rates)
            dead = self._dead(domain, sources)
            for relation in domain.relations:
                size = sizes.get((relation.database, relation.name))
                figures.append(_of_relation(relation, size, taken, dead))
        return {"at": time.time_ns() // 1_000_000, "nodes": figures}

    def _rates(self, counts: dict[str, tuple[int, int]]) -> dict[str, tuple[float, float] | None]:
        """How much two counts of each node grew a second over the last seconds; None at first."""
        now = time.monotonic()
        while self._counted and self._counted[0][0] < now - _RATE:
            self._counted.popleft()
        began, before = self._counted[0] if self._counted else (now, {})
        self._counted.append((now, counts))
        span = max(now - began, 0.001)

        def rate(key: str, of: int) -> float:
            grown = counts[key][of] - before[key][of]
            return round(max(grown, 0) / span, 1)

        return {key: (rate(key, 0), rate(key, 1)) if key in before else None for key in counts}

    def _of_alerts(self) -> list[dict[str, Any]]:
        return [
            {**_figure(alert_id(a["domain"], a["name"])), "firing": a["firing"]}
            for a in self._documents["alerts"]()["alerts"]
        ]

    def _taken(
        self, domain: Domain, sources: list[dict[str, Any]],
        rates: Mapping[str, tuple[float, float] | None],
    ) -> dict[str, float]:  # fmt: skip
        """Rows a second that reach each relation as they land, through views as well."""
        taken: dict[str, float] = {}
        for source in sources:
            key = source_id(source["domain"], source["source"])
            rate = rates.get(key)
            if source["domain"] != domain.name or rate is None:
                continue
            bronze = self._project.relation(
                domain.name, self._project.source(domain.name, source["source"]).into
            )
            reached = [(bronze, rate[0]), *((r, rate[1]) for r in self._project.downstream(bronze))]
            for relation, rows in reached:
                name = relation_id(relation)
                taken[name] = round(taken.get(name, 0.0) + rows, 1)
        return taken

    def _dead(self, domain: Domain, sources: list[dict[str, Any]]) -> dict[str, int]:
        """Dead letters, shown where they did not arrive: at the 1:1 silver."""
        dead: dict[str, int] = {}
        for source in sources:
            if source["domain"] != domain.name:
                continue
            into = self._project.source(domain.name, source["source"]).into
            silver = self._project.first_silver(self._project.relation(domain.name, into))
            if silver is not None:
                key = relation_id(silver)
                dead[key] = dead.get(key, 0) + source["dead"]
        return dead


def _node(node: Node, project: Project) -> dict[str, Any]:
    return {
        "id": node.id,
        "domain": node.domain,
        "name": node.name,
        "stage": node.stage,
        "kind": node.kind,
        "description": node.description,
        "file": node.path.relative_to(project.root).as_posix(),
        "kept_ms": node.kept_ms,
    }


def _text(node: Node) -> str:
    """Of its file as it is now; it may have been deleted, and what it made goes on."""
    try:
        return node.path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        return f"-- the file cannot be read: {error.strerror}"


def _figure(key: str, rows: int | None = None, rate: float | None = None) -> dict[str, Any]:
    more = {"bytes": None, "ms": None, "dead": 0, "firing": 0}
    return {"id": key, "rows": rows, "rate": rate, **more}


def _first(rates: tuple[float, float] | None) -> float | None:
    return rates[0] if rates else None


def _of_relation(
    relation: Relation, size: Size | None, taken: Mapping[str, float], dead: Mapping[str, int]
) -> dict[str, Any]:
    key = relation_id(relation)
    figure = _figure(key, size.rows if size else None, taken.get(key))
    return {**figure, "bytes": size.bytes if size else None, "dead": dead.get(key, 0)}
