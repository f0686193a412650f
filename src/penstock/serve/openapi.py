"""`/openapi.json`: every path of the running platform, endpoints with their typed parameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import penstock
from penstock.engine.analysts import MAX_ROWS
from penstock.engine.questions import EXPLANATIONS
from penstock.inflate import ENCODINGS
from penstock.project import macros
from penstock.serve.endpoints import FORMATS
from penstock.serve.schemas import SCHEMAS, TEXT
from penstock.serve.sql import FORMATS as SQL_FORMATS

if TYPE_CHECKING:
    from penstock.project.objects import Endpoint, Project, Source

_INTEGER = re.compile(r"U?Int\d+")
_NUMBER = re.compile(r"(?:Float|Decimal).*")
_PROBLEM = {
    "description": "what happened, its cause, the next step (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def document(project: Project) -> dict[str, Any]:
    """The OpenAPI 3.1 document of a project; the page's types are made from its schemas."""
    paths: dict[str, Any] = {}
    for source in project.sources():
        if source.kind == "http":
            paths[f"/v1/ingest/{source.domain}/{source.name}"] = {"post": _ingest(source)}
    for endpoint in project.endpoints():
        path = f"/v1/endpoints/{endpoint.domain}/{endpoint.name}.{{format}}"
        paths[path] = {"get": _endpoint(endpoint)}
    paths |= _PLATFORM
    return {
        "openapi": "3.1.0",
        "info": {"title": project.title or project.name, "version": penstock.__version__},
        "paths": paths,
        "components": {"schemas": SCHEMAS},
    }


def _ingest(source: Source) -> dict[str, Any]:
    body: dict[str, Any] = {
        kind: {"schema": {}} for kind in ("application/json", "application/x-ndjson")
    }
    wait = {
        "name": "wait",
        "in": "query",
        "description": "answer 200 when the rows can be queried, and say which became dead letters",
        "schema": {"type": "boolean", "default": False},
    }
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "one for each body: a retry with it gets the stored answer, for 7 days",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }
    return {
        "operationId": f"ingest_{source.domain}_{source.name}",
        "summary": f"Send one object, an array, or one a line; {', '.join(ENCODINGS)} are taken",
        "parameters": [wait, key],
        "requestBody": {"required": True, "content": body},
        "responses": {
            "200": _answer("rows that can be queried", "Landed"),
            "202": _answer("rows taken", "Accepted"),
            **{str(status): _PROBLEM for status in (400, 404, 409, 413, 415, 422, 429, 503)},
        },
    }


def _answer(description: str, schema: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": description, "content": {"application/json": {"schema": reference}}}


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {
            "name": "format",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "enum": list(FORMATS)},
        }
    ]
    for param in endpoint.params:
        schema = _schema(param.type)
        if endpoint.written and param.name in ("from", "to"):
            schema = {"type": "string", "default": macros.spoken(int(param.default or 0))}
        elif param.default is not None:
            schema["default"] = _default(param.default, schema["type"])
        parameters.append(
            {
                "name": param.name,
                "in": "query",
                "required": param.required,
                "description": f"{param.description} ({param.type})".strip(),
                "schema": schema,
            }
        )
    content: dict[str, Any] = {media: {"schema": {}} for _, media in FORMATS.values()}
    return {
        "operationId": f"{endpoint.domain}_{endpoint.name}",
        "summary": endpoint.header.description,
        "parameters": parameters,
        "responses": {
            "200": {"description": "rows, in the asked format", "content": content},
            "400": _PROBLEM,
            "404": _PROBLEM,
        },
    }


def _schema(kind: str) -> dict[str, Any]:
    bare = kind.removeprefix("Nullable(")
    if _INTEGER.match(bare):
        return {"type": "integer"}
    if _NUMBER.match(bare):
        return {"type": "number"}
    return {"type": "string"}


def _default(text: str, kind: str) -> str | float:
    """A default in the type that the description gives its parameter."""
    if kind == "string":
        return text
    return int(text) if kind == "integer" else float(text)


def _get(summary: str, operation: str, schema: str = "") -> dict[str, Any]:
    media: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{schema}"} if schema else {}}
    answer = {"description": summary, "content": {"application/json": media}}
    return {"get": {"operationId": operation, "summary": summary, "responses": {"200": answer}}}


def _at(path: dict[str, Any], *names: str) -> dict[str, Any]:
    """A path whose operations have the parameters that stand in it."""
    found = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]
    return {
        method: {**operation, "parameters": [*found, *operation.get("parameters", ())]}
        for method, operation in path.items()
    }


def _sql() -> dict[str, Any]:
    """A SELECT that somebody typed; its parameters are those of the URL."""
    words: list[tuple[str, str, dict[str, Any]]] = [
        ("format", "of the answer", {"enum": list(SQL_FORMATS), "default": "json"}),
        ("database", "where unqualified names are looked up", {}),
        ("limit", "most rows", {"type": "integer", "maximum": MAX_ROWS, "default": MAX_ROWS}),
        ("explain", "explain it in place of running it", {"enum": list(EXPLANATIONS)}),
        ("id", "a name of the sender's, for /v1/sql/{id}", {"maxLength": 64}),
        ("param_…", "the value of {…:Type} in the statement", {}),
    ]
    media: dict[str, Any] = {media: {"schema": {}} for _, media in SQL_FORMATS.values()}
    refused = {**_PROBLEM, "content": {"application/problem+json": {"schema": {
        "$ref": "#/components/schemas/SqlProblem"}}}}  # fmt: skip
    return {
        "post": {
            "operationId": "sql",
            "summary": "Run one SELECT over silver and gold, within the limits of analysts",
            "parameters": [
                {"name": name, "in": "query", "description": said, "schema": {**TEXT, **schema}}
                for name, said, schema in words
            ],
            "requestBody": {"required": True, "content": {"text/plain": {"schema": TEXT}}},
            "responses": {
                "200": {"description": "rows, in the asked format", "content": media},
                **{str(status): refused for status in (400, 403, 409, 413, 429, 503, 504)},
            },
        }
    }


def _saved_query() -> dict[str, Any]:
    body = {"schema": {"$ref": "#/components/schemas/SavedQuery"}}
    kept = _get("Keep a statement under a name", "sql_save", "SavedQuery")["get"]
    kept["requestBody"] = {"required": True, "content": {"application/json": body}}
    return {"put": kept, "delete": _delete("Forget a statement", "sql_forget")}


def _passage() -> dict[str, Any]:
    """The next batch of a source."""
    path = _get("The next batch, with the times of its way", "passage", "Follow")
    said = "0: say at once that there is none, and what time it is"
    schema = {"type": "integer", "enum": [0]}
    path["get"]["parameters"] = [
        {"name": "wait", "in": "query", "required": False, "description": said, "schema": schema}
    ]
    return path


def _delete(summary: str, operation: str) -> dict[str, Any]:
    answers = {"204": {"description": "it is gone"}, "404": _PROBLEM}
    return {"operationId": operation, "summary": summary, "responses": answers}


def _live() -> dict[str, Any]:
    """The event stream; the document of each event has the schema of its name."""
    path = _get(
        "Server-sent events: tile, change, problem, status, dead_letters, needs, flow, bye", "live"
    )
    tile = {
        "name": "tile",
        "in": "query",
        "required": False,
        "description": "domain/endpoint?param=value; as often as there are tiles",
        "schema": {"type": "string"},
    }
    also = {
        "name": "also",
        "in": "query",
        "required": False,
        "description": "`flow`: the figures of the graph, once a second; `change`: rows a tile "
        "has lost and gained instead of all of it, where that is shorter",
        "schema": {"type": "string", "enum": ["flow", "change"]},
    }
    names = ("Tile", "TileChange", "TileProblem", "Status", "DeadLetters", "Needs", "FlowFigures")
    events = {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}
    path["get"]["parameters"] = [tile, also]
    path["get"]["responses"]["200"]["content"] = {"text/event-stream": {"schema": events}}
    return path


_PLATFORM = {
    "/v1/status": _get("How the platform is: sources, freshness, balance", "status", "Status"),
    "/v1/dead-letters": _get(
        "Newest dead letters, of all domains or of one", "dead_letters", "DeadLetters"
    ),
    "/v1/dead-letters/groups": _get(
        "Dead letters by source and reason", "dead_letter_groups", "DeadLetterGroups"
    ),
    "/v1/dead-letters/outlook": _get(
        "What would become of the dead letters by the SQL of now", "outlook", "Outlook"
    ),
    "/v1/dead-letters/replay": _get("How far a replay is", "replaying", "Replaying"),
    "/v1/dead-letters/{domain}/{source}/{part}/{pos}": _at(
        _get("One dead letter, whole", "dead_letter", "DeadLetter"),
        "domain",
        "source",
        "part",
        "pos",
    ),
    "/v1/sources": _get("Sources: where each stands, how fast it goes", "sources", "Sources"),
    "/v1/endpoints": _get("Endpoints: SQL, parameters, timings", "endpoints", "Endpoints"),
    "/v1/session": _get("Whether this page may act", "session", "Session"),
    "/v1/alerts": _get("Alerts, and the incidents that fired last", "alerts", "Alerts"),
    "/v1/alerts/history": _get(
        "Incidents that fired in a span of time: `alert`, `from`, `to`, `limit`",
        "alert_history",
        "AlertHistory",
    ),
    "/v1/dashboards": _get("Dashboards as their files say", "dashboards", "Dashboards"),
    "/v1/checks": _get("Checks of the data, and what each gave last", "checks", "Checks"),
    "/v1/flow": _get("The project as a graph", "flow", "Flow"),
    "/v1/flow/{domain}/{name}": _at(
        _get("One relation: its file, columns, a few rows, checks", "flow_relation", "FlowDetail"),
        "domain",
        "name",
    ),
    "/v1/flow/{domain}/{folder}/{name}": _at(
        _get("One of `sources`, `serve` or `alerts`", "flow_part", "FlowDetail"),
        "domain",
        "folder",
        "name",
    ),
    "/v1/flow/{domain}/sources/{name}/passage": _at(_passage(), "domain", "name"),
    "/v1/sql": _sql(),
    "/v1/sql/schema": _get("What a statement may name", "sql_schema", "SqlSchema"),
    "/v1/sql/functions": _get("Functions it may call", "sql_functions", "SqlFunctions"),
    "/v1/sql/saved": _get("Statements kept under names", "sql_saved", "SavedQueries"),
    "/v1/sql/saved/{name}": _at(_saved_query(), "name"),
    "/v1/sql/{id}": _at(
        {
            **_get("How far a statement is", "sql_progress", "SqlProgress"),
            "delete": _delete("End a statement", "sql_cancel"),
        },
        "id",
    ),
    "/v1/reconcile": _get("Prove that nothing is lost or doubled", "reconcile"),
    "/v1/live": _live(),
    "/healthz": _get("The process answers", "healthz"),
    "/readyz": _get("The engine answers and no source is blocked", "readyz"),
    "/metrics": _get("Prometheus text", "metrics"),
}
