"""JSON Schema of each document that the platform answers with; the page's types come from here."""

from __future__ import annotations

from typing import Any, get_args

from penstock.engine.process import State
from penstock.layers.landing import Passage, StateName
from penstock.project.dashboards import PanelKind, VariableKind
from penstock.project.lineage import COLUMNS
from penstock.project.objects import Severity
from penstock.serve.redis_tier import COUNTED, RedisState
from penstock.store.check_results import ResultState
from penstock.store.incidents import IncidentState


def _object(**properties: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON Schema
    """An object that has all of these; but what is named `next` may be left out."""
    required = [name for name in properties if name != "next"]
    return {"type": "object", "properties": properties, "required": required}


def _list(items: dict[str, Any], description: str = "") -> dict[str, Any]:
    said = {"description": description} if description else {}
    return {"type": "array", "items": items, **said}


_WHOLE = {"type": "integer"}
TEXT = {"type": "string"}
_REAL = {"type": "number"}
_MAYBE = {"type": ["integer", "null"]}
_MAYBE_REAL = {"type": ["number", "null"]}
_ROW: dict[str, Any] = {"type": "object", "additionalProperties": {}}
_PROBLEM_FIELDS = {
    "type": TEXT, "title": TEXT, "status": _WHOLE, "detail": TEXT, "code": TEXT, "next": TEXT,
    "reference": TEXT,
}  # fmt: skip
_PANEL = _object(
    name=TEXT, title=TEXT, description=TEXT,
    kind={"type": "string", "enum": list(get_args(PanelKind))},
    tile={**TEXT, "description": "what it asks on /v1/live, without parameters"},
    params={
        "type": "object", "additionalProperties": TEXT,
        "description": "parameter to value, or to $name of a variable",
    },
    spans=_list(TEXT, "parameters that the page's span of time gives"),
    time=TEXT, by=TEXT, values=_list(TEXT), unit=TEXT, digits=_WHOLE, width=_WHOLE,
    low=_MAYBE_REAL, high=_MAYBE_REAL, warn=_MAYBE_REAL, bad=_MAYBE_REAL,
    stacked={"type": "boolean"},
)  # fmt: skip
_MEANING = {
    "words": {**TEXT, "description": "what the reason says; empty where its word is the user's"},
    "field": {**TEXT, "description": "of the record; empty where the reason names none"},
}
_JUDGE = {"file": {**TEXT, "description": "what says which records are good"}, "line": _WHOLE}
_TILE = {
    "tile": TEXT,
    "at": {**_WHOLE, "description": "when it was answered, epoch ms"},
    "took": {**_WHOLE, "description": "milliseconds from asking to the answer"},
    "columns": {
        "description": "each column's values, all of one length",
        "type": "object",
        "additionalProperties": _list({}),
    },
}
_COUNTS = {
    "domain": TEXT, "source": TEXT,
    "state": {"type": "string", "enum": list(get_args(StateName))}, "reason": TEXT,
    "accepted": _WHOLE, "landed": _WHOLE, "good": _WHOLE, "dead": _WHOLE, "in_flight": _WHOLE,
}  # fmt: skip
_TIMING = _object(
    asked=_WHOLE, hit=_WHOLE, stale=_WHOLE, miss=_WHOLE, error=_WHOLE,
    p50_ms={"type": ["number", "null"]}, p95_ms={"type": ["number", "null"]},
    hit_rate={"type": ["number", "null"]},
)  # fmt: skip
_NODE = {
    "id": {**TEXT, "description": "domain.relation, or domain.folder.name"},
    "domain": TEXT, "name": TEXT, "stage": {"type": "string", "enum": list(COLUMNS)},
    "kind": {**TEXT, "description": "http, file; table, view, dictionary; endpoint, alert"},
    "description": TEXT, "file": TEXT,
    "kept_ms": {**_MAYBE, "description": "how long rows stay; null: for ever"},
}  # fmt: skip
_FLOW = {
    "Flow": _object(
        nodes=_list(_object(**_NODE)),
        wires=_list(
            _object(**{
                "from": TEXT, "to": TEXT,
                "carries": {"type": "boolean", "description": "rows go along as they land"},
            })
        ),
    ),
    "FlowFigures": _object(
        at={**_WHOLE, "description": "epoch ms"},
        nodes=_list(
            _object(
                id=TEXT, rows=_MAYBE, bytes=_MAYBE,
                rate={"type": ["number", "null"], "description": "rows, or answers, a second"},
                ms={"type": ["number", "null"], "description": "an endpoint's median answer"},
                dead=_WHOLE, firing=_WHOLE,
            )
        ),
    ),
    "FlowDetail": _object(
        **_NODE, text={**TEXT, "description": "the file"},
        reads=_list(TEXT), readers=_list(TEXT),
        columns=_list(_object(name=TEXT, type=TEXT, kind=TEXT, comment=TEXT)),
        sample={
            **_object(
                columns=_list(TEXT), rows=_list(_list({"type": ["string", "null"]})),
                newest={"type": "boolean"}, note=TEXT,
            ),
            "type": ["object", "null"],
        },
        checks={"$ref": "#/components/schemas/Checks/properties/checks"},
    ),
    "Follow": _object(
        passage={
            **_object(**dict.fromkeys(Passage.__slots__, _WHOLE)),
            "type": ["object", "null"],
            "description": "when a batch was where, epoch ms; null: none came",
        },
        told_ms=_WHOLE,
    ),
    "Needs": _object(
        firing=_WHOLE,
        failed=_WHOLE,
        alerts=_list(
            _object(
                id=_WHOLE, domain=TEXT, alert=TEXT,
                severity={"type": "string", "enum": list(get_args(Severity))}, message=TEXT,
                fired_ms=_WHOLE,
                about={**_ROW, "description": "the key's columns with their values"},
            )
        ),
        checks=_list(
            _object(
                domain=TEXT, name=TEXT,
                state={"type": "string", "enum": list(get_args(ResultState))},
                failures=_WHOLE, at_ms=_WHOLE,
            )
        ),
    ),
}  # fmt: skip
_SAVED = _object(
    name=TEXT, sql=TEXT, database=TEXT, saved_ms=_WHOLE,
    settings={"type": "object", "description": "how the page shows it", "additionalProperties": {}},
)  # fmt: skip
_INCIDENT = _object(
    id=_WHOLE, domain=TEXT, alert=TEXT,
    key={**TEXT, "description": "values of the key's columns, as JSON"},
    state={"type": "string", "enum": list(get_args(IncidentState))},
    severity={"type": "string", "enum": list(get_args(Severity))},
    message=TEXT,
    row={**_ROW, "description": "the last row: its evidence"},
    since_ms=_WHOLE, seen_ms=_WHOLE, fired_ms=_MAYBE, resolved_ms=_MAYBE,
    told=_list(
        _object(
            id=_WHOLE, channel=TEXT, event=TEXT, state=TEXT, attempts=_WHOLE,
            error=TEXT, ended_ms=_MAYBE,
        )
    ),
)  # fmt: skip
SCHEMAS = _FLOW | {
    "Problem": _object(**_PROBLEM_FIELDS),
    "Accepted": _object(accepted=_WHOLE, source=TEXT),
    "Landed": _object(
        accepted=_WHOLE,
        source=TEXT,
        stored=_WHOLE,
        dead=_WHOLE,
        dead_letters={  # the first hundred; rows count from 0
            "type": "array",
            "items": _object(row=_WHOLE, reason=TEXT),
        },
    ),
    "Status": _object(
        version=TEXT,
        at={**_WHOLE, "description": "the platform's clock, epoch ms"},
        project=TEXT,
        adopted={**_WHOLE, "description": "how often the files were taken up since the start"},
        engine=_object(state={"type": "string", "enum": list(get_args(State))}, version=TEXT),
        sources=_list(
            _object(**_COUNTS)
        ),
        freshness_ms=_object(p50=_WHOLE, p99=_WHOLE, now=_WHOLE),
        rows_per_s=_REAL,
        balance=_object(
            received=_WHOLE, silver=_WHOLE, dead_letters=_WHOLE, in_flight=_WHOLE,
            difference=_WHOLE,
        ),
        problems=_list(
            _object(file=TEXT, line=_WHOLE, cause=TEXT, hint=TEXT),
            "mistakes in the project's files as saved; those before are served",
        ),
        filling=_list(
            _object(relation=TEXT, done=_WHOLE, slices=_WHOLE),
            "relations that are being filled anew, as `database.name`",
        ),
        history={**_object(done=_WHOLE, target=_WHOLE), "type": ["object", "null"]},
        cache=_object(
            redis=_object(
                state={"type": "string", "enum": list(get_args(RedisState))}, reason=TEXT,
                since_ms=_WHOLE, **dict.fromkeys(COUNTED, _WHOLE),
            ),
        ),
    ),
    "Alerts": _object(
        alerts=_list(
            _object(
                domain=TEXT, name=TEXT, description=TEXT,
                severity={"type": "string", "enum": list(get_args(Severity))},
                state={"type": "string", "enum": ["ok", "pending", "firing", "error"]},
                firing=_WHOLE, pending=_WHOLE, every_s=_REAL, for_s=_REAL,
                keep_s=_REAL, key=_list(TEXT, "columns that say what a row is about"),
                notify=_list(TEXT),
                webhook={"type": "boolean", "description": "whether one is set"},
                file=TEXT, sql=TEXT, database=TEXT,
                defaults={"type": "object", "additionalProperties": TEXT},
                looked_ms=_WHOLE, took_ms=_REAL, error=TEXT,
            )
        ),
        incidents=_list(_INCIDENT, "those that fire, then those that fired last"),
        silences=_list(
            _object(
                domain=TEXT, alert=TEXT, key={**TEXT, "description": "empty: all of the alert's"},
                until_ms=_WHOLE, reason=TEXT,
            )
        ),
    ),
    "AlertHistory": _object(incidents=_list(_INCIDENT, "the newest first")),
    "AlertTest": _object(
        alert=TEXT, total=_WHOLE,
        rows=_list(_object(key=TEXT, message=TEXT, row=_ROW)),
        sent=_list(_object(channel=TEXT, error=TEXT)),
    ),
    "Checks": _object(
        every_s=_REAL,
        checks=_list(
            _object(
                domain=TEXT, name=TEXT, relation=TEXT, description=TEXT,
                file=TEXT, line=_WHOLE, sql=TEXT, database=TEXT,
                history=_list(
                    _object(
                        at_ms=_WHOLE, failures=_WHOLE, took_ms=_WHOLE,
                        state={"type": "string", "enum": list(get_args(ResultState))},
                    ),
                    "the oldest first",
                ),
                state={"type": "string", "enum": ["waiting", *get_args(ResultState)]},
                failures=_WHOLE, sample=_list(_ROW, "the first rows that fail"),
                at_ms=_WHOLE, took_ms=_WHOLE, error=TEXT,
            )
        ),
    ),
    "SqlSchema": _object(
        open={"type": "boolean", "description": "whether the engine has the guard it needs"},
        reason=TEXT,
        engine={**TEXT, "description": "address of the engine, for programs"},
        limits=_object(rows=_WHOLE, bytes=_WHOLE),
        relations=_list(
            _object(
                database=TEXT, domain=TEXT, name=TEXT, kind=TEXT, description=TEXT,
                stage={"type": "string", "enum": ["silver", "gold"]},
                columns=_list(
                    _object(name=TEXT, type=TEXT, comment=TEXT, sorted={"type": "boolean"})
                ),
            )
        ),
    ),
    "SqlFunctions": _object(
        functions=_list(_object(name=TEXT, form=TEXT, aggregates={"type": "boolean"})),
    ),
    "SqlProgress": _object(
        state={"type": "string", "enum": ["waiting", "running", "ended"]}, elapsed_ms=_WHOLE,
        read_rows=_WHOLE, read_bytes=_WHOLE, total_rows=_WHOLE, memory=_WHOLE,
    ),
    "SqlProblem": {
        **_object(**_PROBLEM_FIELDS),
        "properties": {
            **_PROBLEM_FIELDS, "name": {**TEXT, "description": "ClickHouse's name of the error"},
            "line": _WHOLE, "column": _WHOLE, "length": _WHOLE,
        },
    },
    "SavedQuery": _SAVED,
    "SavedQueries": _object(queries=_list(_SAVED)),
    "Dashboards": _object(
        dashboards=_list(
            _object(
                domain=TEXT, name=TEXT, title=TEXT, description=TEXT,
                start={**TEXT, "description": "of the span shown at first, such as now-1h"},
                end=TEXT,
                refresh_s={**_REAL, "description": "seconds between two looks; 0 is live"},
                variables=_list(
                    _object(
                        name=TEXT, label=TEXT,
                        kind={"type": "string", "enum": list(get_args(VariableKind))},
                        values=_list(TEXT), default=TEXT, all={"type": "boolean"},
                        tile={**TEXT, "description": "what offers its values; empty without one"},
                    )
                ),
                rows=_list(_object(title=TEXT, height=_WHOLE, panels=_list(_PANEL))),
            )
        ),
    ),
    "DeadLetters": _object(
        total=_WHOLE,
        items=_list(
            _object(
                domain=TEXT, source=TEXT, part=_WHOLE, pos=_WHOLE, reason=TEXT,
                ingested_ms=_WHOLE, raw=TEXT, **_MEANING,
            )
        ),
    ),
    "DeadLetter": _object(
        domain=TEXT, source=TEXT, part=_WHOLE, pos=_WHOLE, batch=_WHOLE, reason=TEXT,
        ingested_ms=_WHOLE, ingested_at=TEXT, sent_ms=_MAYBE, key=TEXT,
        headers={"type": "object", "additionalProperties": TEXT}, raw=TEXT, base64=TEXT,
        topic=TEXT, **_MEANING, **_JUDGE,
    ),
    "DeadLetterGroups": _object(
        groups=_list(
            _object(
                domain=TEXT, source=TEXT, reason=TEXT, rows=_WHOLE, first_ms=_WHOLE,
                last_ms=_WHOLE, **_MEANING, **_JUDGE,
            )
        )
    ),
    "Outlook": _object(
        upto=_WHOLE, good=_WHOLE, stay=_WHOLE, landed=_WHOLE,
        sources=_list(
            _object(
                source=TEXT, good=_WHOLE, stay=_WHOLE,
                fates=_list(
                    _object(
                        reason=TEXT, rows=_WHOLE, part=_WHOLE, pos=_WHOLE, error=TEXT,
                        now={**TEXT, "description": "its reason by the SQL of now; empty: good"},
                    )
                ),
            )
        ),
    ),
    "Replaying": _object(
        running={"type": "boolean"}, runs=_WHOLE, source=TEXT, reason=TEXT, landed=_WHOLE,
        stay=_WHOLE, began_ms=_WHOLE, ended_ms=_WHOLE, error=TEXT,
    ),
    "Session": _object(
        may_act={"type": "boolean"}, seconds_left=_WHOLE,
        command={**TEXT, "description": "prints a link that lets a page act"},
    ),
    "Sources": _object(
        sources=_list(
            _object(
                **_COUNTS, kind=TEXT, into=TEXT, file=TEXT,
                parts=_list(
                    _object(
                        part=_WHOLE, received=_WHOLE, landed=_WHOLE, high=_WHOLE,
                        sent_ms={**_WHOLE, "description": "of the last record; -1: not known"},
                    )
                ),
                last_ms=_WHOLE,
                rates=_list(_WHOLE, "rows of each of the last seconds, the oldest first"),
                example={**TEXT, "description": "a record it would take"},
            )
        ),
        files=_list(
            _object(
                domain=TEXT, source=TEXT, path=TEXT, via=TEXT, file=TEXT, command=TEXT,
            )
        ),
    ),
    "Endpoints": _object(
        formats=_list(TEXT),
        endpoints=_list(
            _object(
                domain=TEXT, name=TEXT, description=TEXT,
                params=_list(
                    _object(
                        name=TEXT, type=TEXT, default={"type": ["string", "null"]},
                        required={"type": "boolean"}, description=TEXT,
                    )
                ),
                reads=_list(TEXT), database=TEXT, cache=TEXT, max_stale=TEXT, file=TEXT,
                sql=TEXT, asked=_TIMING, live=_TIMING,
            )
        ),
    ),
    "Tile": _object(**_TILE),
    "TileChange": _object(
        **_TILE,
        since={**_WHOLE, "description": "`at` of the tile that it changes"},
        first={**_WHOLE, "description": "row of that tile which is the first now"},
        end={**_WHOLE, "description": "row of that tile before which `columns` go on"},
    ),
    "TileProblem": _object(tile=TEXT, **_PROBLEM_FIELDS),
}  # fmt: skip
