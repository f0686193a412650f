"""`/openapi.json`: every path of the running platform, endpoints with their typed parameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

import penstock
from penstock.engine.analysts import MAX_ROWS
from penstock.engine.process import State
from penstock.engine.questions import EXPLANATIONS
from penstock.inflate import ENCODINGS
from penstock.layers.landing import StateName
from penstock.project.objects import Severity
from penstock.serve.endpoints import FORMATS
from penstock.serve.sql import FORMATS as SQL_FORMATS
from penstock.store.check_results import ResultState
from penstock.store.incidents import IncidentState

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
        "components": {"schemas": _SCHEMAS},
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
        if param.default is not None:
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


def _object(**properties: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON Schema
    """An object that has all of these; but what is named `next` may be left out."""
    required = [name for name in properties if name != "next"]
    return {"type": "object", "properties": properties, "required": required}


def _list(items: dict[str, Any], description: str = "") -> dict[str, Any]:
    said = {"description": description} if description else {}
    return {"type": "array", "items": items, **said}


def _named(path: dict[str, Any], name: str) -> dict[str, Any]:
    """A path with a parameter in it."""
    own = {"name": name, "in": "path", "required": True, "schema": _TEXT}
    return {method: {**operation, "parameters": [own]} for method, operation in path.items()}


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
                {"name": name, "in": "query", "description": said, "schema": {**_TEXT, **schema}}
                for name, said, schema in words
            ],
            "requestBody": {"required": True, "content": {"text/plain": {"schema": _TEXT}}},
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


def _delete(summary: str, operation: str) -> dict[str, Any]:
    answers = {"204": {"description": "it is gone"}, "404": _PROBLEM}
    return {"operationId": operation, "summary": summary, "responses": answers}


def _live() -> dict[str, Any]:
    """The event stream; the document of each event has the schema of its name."""
    path = _get("Server-sent events: tile, problem, status, dead_letters, bye", "live")
    tile = {
        "name": "tile",
        "in": "query",
        "required": False,
        "description": "domain/endpoint?param=value; as often as there are tiles",
        "schema": {"type": "string"},
    }
    names = ("Tile", "TileProblem", "Status", "DeadLetters")
    events = {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}
    path["get"]["parameters"] = [tile]
    path["get"]["responses"]["200"]["content"] = {"text/event-stream": {"schema": events}}
    return path


_WHOLE = {"type": "integer"}
_TEXT = {"type": "string"}
_REAL = {"type": "number"}
_MAYBE = {"type": ["integer", "null"]}
_PROBLEM_FIELDS = {
    "type": _TEXT, "title": _TEXT, "status": _WHOLE, "detail": _TEXT, "code": _TEXT, "next": _TEXT,
    "reference": _TEXT,
}  # fmt: skip
_PLATFORM = {
    "/v1/status": _get("How the platform is: sources, freshness, balance", "status", "Status"),
    "/v1/dead-letters": _get(
        "Newest dead letters, of all domains or of one", "dead_letters", "DeadLetters"
    ),
    "/v1/alerts": _get("Alerts, and the incidents that fired last", "alerts", "Alerts"),
    "/v1/checks": _get("Checks of the data, and what each gave last", "checks", "Checks"),
    "/v1/sql": _sql(),
    "/v1/sql/schema": _get("What a statement may name", "sql_schema", "SqlSchema"),
    "/v1/sql/functions": _get("Functions it may call", "sql_functions", "SqlFunctions"),
    "/v1/sql/saved": _get("Statements kept under names", "sql_saved", "SavedQueries"),
    "/v1/sql/saved/{name}": _named(_saved_query(), "name"),
    "/v1/sql/{id}": _named(
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
_SAVED = _object(
    name=_TEXT, sql=_TEXT, database=_TEXT, saved_ms=_WHOLE,
    settings={"type": "object", "description": "how the page shows it", "additionalProperties": {}},
)  # fmt: skip
_SCHEMAS = {
    "Problem": _object(**_PROBLEM_FIELDS),
    "Accepted": _object(accepted=_WHOLE, source=_TEXT),
    "Landed": _object(
        accepted=_WHOLE,
        source=_TEXT,
        stored=_WHOLE,
        dead=_WHOLE,
        dead_letters={  # the first hundred; rows count from 0
            "type": "array",
            "items": _object(row=_WHOLE, reason=_TEXT),
        },
    ),
    "Status": _object(
        version=_TEXT,
        project=_TEXT,
        adopted={**_WHOLE, "description": "how often the files were taken up since the start"},
        engine=_object(state={"type": "string", "enum": list(get_args(State))}, version=_TEXT),
        sources=_list(
            _object(
                domain=_TEXT, source=_TEXT,
                state={"type": "string", "enum": list(get_args(StateName))}, reason=_TEXT,
                accepted=_WHOLE, landed=_WHOLE, good=_WHOLE, dead=_WHOLE, in_flight=_WHOLE,
            )
        ),
        freshness_ms=_object(p50=_WHOLE, p99=_WHOLE, now=_WHOLE),
        rows_per_s=_REAL,
        balance=_object(
            received=_WHOLE, silver=_WHOLE, dead_letters=_WHOLE, in_flight=_WHOLE,
            difference=_WHOLE,
        ),
        problems=_list(
            _object(file=_TEXT, line=_WHOLE, cause=_TEXT, hint=_TEXT),
            "mistakes in the project's files as saved; those before are served",
        ),
        filling=_list(
            _object(relation=_TEXT, done=_WHOLE, slices=_WHOLE),
            "relations that are being filled anew, as `database.name`",
        ),
        history={**_object(done=_WHOLE, target=_WHOLE), "type": ["object", "null"]},
    ),
    "Alerts": _object(
        alerts=_list(
            _object(
                domain=_TEXT, name=_TEXT, description=_TEXT,
                severity={"type": "string", "enum": list(get_args(Severity))},
                state={"type": "string", "enum": ["ok", "pending", "firing", "error"]},
                firing=_WHOLE, pending=_WHOLE, every_s=_REAL, for_s=_REAL,
                notify=_list(_TEXT), looked_ms=_WHOLE, took_ms=_REAL, error=_TEXT,
            )
        ),
        incidents=_list(
            _object(
                id=_WHOLE, domain=_TEXT, alert=_TEXT,
                key={**_TEXT, "description": "values of the key's columns, as JSON"},
                state={"type": "string", "enum": list(get_args(IncidentState))},
                severity={"type": "string", "enum": list(get_args(Severity))},
                message=_TEXT,
                row={"type": "object", "description": "the last row: its evidence"},
                since_ms=_WHOLE, seen_ms=_WHOLE, fired_ms=_MAYBE, resolved_ms=_MAYBE,
            ),
            "those that fire, then those that fired last",
        ),
    ),
    "Checks": _object(
        checks=_list(
            _object(
                domain=_TEXT, name=_TEXT, description=_TEXT,
                state={"type": "string", "enum": ["waiting", *get_args(ResultState)]},
                failures=_WHOLE, sample=_list({"type": "object"}, "the first rows that fail"),
                at_ms=_WHOLE, took_ms=_WHOLE, error=_TEXT,
            )
        ),
    ),
    "SqlSchema": _object(
        open={"type": "boolean", "description": "whether the engine has the guard it needs"},
        reason=_TEXT,
        engine={**_TEXT, "description": "address of the engine, for programs"},
        limits=_object(rows=_WHOLE, bytes=_WHOLE),
        relations=_list(
            _object(
                database=_TEXT, domain=_TEXT, name=_TEXT, kind=_TEXT, description=_TEXT,
                stage={"type": "string", "enum": ["silver", "gold"]},
                columns=_list(
                    _object(name=_TEXT, type=_TEXT, comment=_TEXT, sorted={"type": "boolean"})
                ),
            )
        ),
    ),
    "SqlFunctions": _object(
        functions=_list(_object(name=_TEXT, form=_TEXT, aggregates={"type": "boolean"})),
    ),
    "SqlProgress": _object(
        state={"type": "string", "enum": ["waiting", "running", "ended"]}, elapsed_ms=_WHOLE,
        read_rows=_WHOLE, read_bytes=_WHOLE, total_rows=_WHOLE, memory=_WHOLE,
    ),
    "SqlProblem": {
        **_object(**_PROBLEM_FIELDS),
        "properties": {
            **_PROBLEM_FIELDS, "name": {**_TEXT, "description": "ClickHouse's name of the error"},
            "line": _WHOLE, "column": _WHOLE, "length": _WHOLE,
        },
    },
    "SavedQuery": _SAVED,
    "SavedQueries": _object(queries=_list(_SAVED)),
    "DeadLetters": _object(
        total=_WHOLE,
        items=_list(
            _object(
                domain=_TEXT, source=_TEXT, part=_WHOLE, pos=_WHOLE, reason=_TEXT,
                ingested_ms=_WHOLE, raw=_TEXT,
            )
        ),
    ),
    "Tile": _object(
        tile=_TEXT,
        at={**_WHOLE, "description": "when it was asked, epoch ms"},
        columns={
            "description": "each column's values, all of one length",
            "type": "object",
            "additionalProperties": _list({}),
        },
    ),
    "TileProblem": _object(tile=_TEXT, **_PROBLEM_FIELDS),
}  # fmt: skip
