"""A dashboard as Grafana's JSON, for its official ClickHouse data source; and what provisions it.

The SELECTs go out with their macros, which Grafana's plugin writes out itself. Parameters become
Grafana's variables, encoded by Grafana (`${home:percentencode}`), decoded by the engine and cast
to their type, so that what a viewer types stays a value. The kinds of panel are Grafana's own; a
heat map is its status history, which shows a row for each name, where its heat map would count.

Schema: @grafana/schema (`Dashboard`), against which the tests hold the JSON.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from penstock.project import lexer, macros

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from penstock.project.dashboards import Dashboard, Panel, Row, Variable
    from penstock.project.objects import Domain

PLUGIN = "grafana-clickhouse-datasource"
_SCHEMA = 41  # of Grafana 11.6, the oldest that the plugin takes
_COLUMNS, _ROW_PX = 2, 38  # Grafana's grid has 24 columns, and rows of 30 px and a gap
_HEAD_PX = 90  # of a panel: its title, its legend
_REF = {"type": PLUGIN, "uid": "${datasource}"}
_UNITS = {"kW": "kwatt", "W": "watt", "kWh": "kwatth", "Wh": "watth", "°C": "celsius", "V": "volt",
          "%": "percent", "s": "s", "ms": "ms", "rows/s": "rowsps"}  # fmt: skip
_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
_TOOLTIP = {"mode": "multi", "sort": "desc"}
_CALM = {"colorMode": "none"}
_LONGEST_UID = 40
# What macros bring with them, where a SELECT writes it out beside one.
_TIMES = {"from": "${__from}", "to": "${__to}", "interval_s": "$__interval_s"}
_NO_MACROS = {"timeFrom", "timeTo", "timeGroup"}  # younger than many a plugin in use


def uid(domain: str) -> str:
    """What a domain's data source is called in Grafana."""
    return f"penstock-{domain}"


def _short(uid: str) -> str:
    """At most 40 characters, as Grafana takes them; two long names stay two."""
    if len(uid) <= _LONGEST_UID:
        return uid
    told_apart = hashlib.sha1(uid.encode(), usedforsecurity=False).hexdigest()[:8]
    return f"{uid[: _LONGEST_UID - 9]}-{told_apart}"


def dashboard_uid(domain: str, name: str) -> str:
    """What a dashboard is called in Grafana, which no copy of it is."""
    return _short(f"penstock-{domain}-{name}")


def dashboard(found: Dashboard) -> dict[str, Any]:
    """The whole document."""
    return {
        "uid": dashboard_uid(found.domain, found.name),
        "title": found.title,
        "description": found.description,
        "tags": ["penstock", found.domain],
        "timezone": "browser",
        "schemaVersion": _SCHEMA,
        "editable": True,
        "graphTooltip": 1,
        "refresh": f"{max(5, round(found.refresh))}s",
        "time": {"from": found.start, "to": found.end},
        "templating": {"list": [_source(found), *map(_variable, found.variables)]},
        "panels": list(_panels(found)),
    }


def sources(domains: tuple[Domain, ...], address: Mapping[str, Any]) -> dict[str, Any]:
    """The data sources to provision: one for each domain, as its tables are not qualified.

    Args:
        domains: of the project.
        address: `host`, `port`, `secure` and `username` of the engine.
    """
    password = {"secureJsonData": {"password": "$CLICKHOUSE_PASSWORD"}}
    return {
        "apiVersion": 1,
        "datasources": [
            {
                "name": f"Penstock {domain.name}",
                "uid": uid(domain.name),
                "type": PLUGIN,
                "jsonData": {**address, "protocol": "http", "defaultDatabase": domain.database},
                **(password if address["username"] != "default" else {}),
            }
            for domain in domains
        ],
    }


def provider(folder: str) -> dict[str, Any]:
    """What makes Grafana read dashboards from a folder."""
    options = {"path": folder, "foldersFromFilesStructure": True}
    one = {"name": "penstock", "type": "file", "updateIntervalSeconds": 10, "options": options}
    return {"apiVersion": 1, "providers": [one]}


def raw_sql(panel: Panel, variables: tuple[Variable, ...]) -> str:
    """What a panel asks, as Grafana's plugin takes it."""
    given = dict(panel.given(variables))
    defaults = {p.name: p.default for p in panel.query.params}
    sql = panel.query.written or panel.query.sql
    found = list(lexer.code(sql))
    if panel.query.written:
        defaults |= {name: _TIMES[name] for name in macros.TIMES}
    inner = _Rewritten(sql, given, defaults).text(found)
    return _narrowed(panel, inner)


class _Rewritten:
    """A SELECT with Grafana's variables in the place of parameters."""

    def __init__(
        self, sql: str, given: Mapping[str, str], defaults: Mapping[str, str | None]
    ) -> None:
        self._sql, self._given, self._defaults = sql, given, defaults

    def text(self, found: list[lexer.Token]) -> str:
        """The tokens' text, without comments."""
        parts, done, skip = [], found[0].start if found else 0, 0
        for index, token in enumerate(found):
            if index < skip:
                continue
            gap = self._sql[done : token.start]
            parts.append(gap if not gap.strip() else "\n" if "\n" in gap else " ")
            name = token.text[2:] if index and found[index - 1].text == "$" else ""
            if token.kind == lexer.PARAM:
                parts.append(self._value(*token.parameter))
            elif name == "conditionalAll" or name in _NO_MACROS:
                parts[-2:] = [self._macro(name, lexer.arguments(found, index))]
                skip = lexer.closing(found, index + 1) + 1
                done = found[skip - 1].end
                continue
            else:
                parts.append(token.text)
            done = token.end
        return "".join(parts)

    def _value(self, name: str, kind: str) -> str:
        held = self._given.get(name, self._defaults.get(name))
        if held is None:
            return f"CAST(NULL, '{_quoted(kind)}')"
        if held == _TIMES.get(name):
            return f"CAST({held}, '{_quoted(kind)}')"
        quoted = _chosen(held[1:]) if held.startswith("$") else f"'{_quoted(held)}'"
        if kind == "String":
            return quoted
        listed = f"[{quoted}]" if kind.startswith("Array") and held.startswith("$") else quoted
        return f"CAST({listed}, '{_quoted(kind)}')"

    def _macro(self, name: str, arguments: list[list[lexer.Token]]) -> str:
        first = self.text(arguments[0])
        if name == "timeFrom":
            return f"({first} >= $__fromTime)"
        if name == "timeTo":
            return f"({first} <= $__toTime)"
        last = "".join(token.text for token in arguments[1])
        if name == "timeGroup":
            return f"toStartOfInterval({first}, INTERVAL {macros.width(last)} second)"
        held = self._given.get(last.strip("${}"), "")
        if held.startswith("$"):
            return f"$__conditionalAll({first}, {held})"
        return f"({first})" if held else "(1 = 1)"


def _chosen(variable: str) -> str:
    """What a viewer chose or typed, which must stay a value.

    Grafana's own quoting leaves backslashes as they are, and one before the quote would close the
    text; this way of its leaves neither.
    """
    return "decodeURLComponent('${" + variable + ":percentencode}')"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _narrowed(panel: Panel, sql: str) -> str:
    """Only the columns that are drawn, with a time where they hold epoch milliseconds."""
    if panel.own and not panel.time.endswith("_ms"):
        return sql
    columns = [f"`{name}`" for name in (panel.by, *panel.values) if name]
    if panel.time.endswith("_ms"):
        columns.insert(0, f"fromUnixTimestamp64Milli(toInt64(`{panel.time}`)) AS time")
    elif panel.time:
        columns.insert(0, f"`{panel.time}`")
    if not panel.values:
        return sql
    ordered = "\nORDER BY 1" if panel.time else ""
    return f"SELECT {', '.join(columns)}\nFROM\n(\n{sql}\n){ordered}"


def _source(found: Dashboard) -> dict[str, Any]:
    held = {"text": f"Penstock {found.domain}", "value": uid(found.domain)}
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": PLUGIN,
            "current": held, "hide": 0}  # fmt: skip


def _variable(variable: Variable) -> dict[str, Any]:
    held = {"text": variable.default, "value": variable.default}
    if variable.all and not variable.default:
        held = {"text": "All", "value": "$__all"}
    common = {"name": variable.name, "label": variable.label, "includeAll": variable.all,
              "multi": False, **({"current": held} if held["value"] else {})}  # fmt: skip
    if variable.query:
        query = variable.query.written or variable.query.sql
        return {**common, "type": "query", "datasource": _REF, "query": query, "refresh": 1}
    if variable.kind == "list":
        return {**common, "type": "custom", "query": ",".join(variable.values)}
    return {**common, "type": "textbox", "query": variable.default}


def _panels(found: Dashboard) -> Iterator[dict[str, Any]]:
    top, number = 0, 0
    for row in found.rows:
        if row.title:
            number += 1
            yield {"id": number, "type": "row", "title": row.title, "collapsed": False,
                   "panels": [], "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}}  # fmt: skip
            top += 1
        height = _height(row)
        left = 0
        for panel in row.panels:
            wide = panel.width * _COLUMNS
            if left + wide > 12 * _COLUMNS:
                left, top = 0, top + height
            number += 1
            place = {"x": left, "y": top, "w": wide, "h": height}
            yield {"id": number, "gridPos": place, **_panel(panel, found.variables)}
            left += wide
        top += height


def _height(row: Row) -> int:
    head = 0 if all(panel.kind == "stat" for panel in row.panels) else _HEAD_PX
    return max(3, round((row.height + head) / _ROW_PX))


def _panel(panel: Panel, variables: tuple[Variable, ...]) -> dict[str, Any]:
    timed = bool(panel.time) and panel.kind != "table"
    target = {
        "refId": "A",
        "datasource": _REF,
        "editorType": "sql",
        "queryType": "timeseries" if timed else "table",
        "format": 0 if timed else 1,
        "rawSql": raw_sql(panel, variables),
    }
    kind, custom, options = _drawn(panel)
    return {
        "type": kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _REF,
        "targets": [target],
        "fieldConfig": {"defaults": _defaults(panel, custom), "overrides": _overrides(panel)},
        "options": options,
    }


def _defaults(panel: Panel, custom: dict[str, Any]) -> dict[str, Any]:
    unit = _UNITS.get(panel.unit) or (f"suffix: {panel.unit}" if panel.unit else "")
    steps = [{"color": "green", "value": None}]
    for colour, at in (("orange", panel.warn), ("red", panel.bad)):
        if at is not None:
            steps.append({"color": colour, "value": at})  # type: ignore[dict-item]
    limited = len(steps) > 1 or panel.kind in ("stat", "gauge")
    mode = "continuous-GrYlRd" if panel.kind == "heatmap" else "palette-classic"
    ends = {"min": panel.low, "max": panel.high}
    return {
        "custom": custom,
        "color": {"mode": "thresholds" if limited else mode},
        "thresholds": {"mode": "absolute", "steps": steps},
        **({"unit": unit} if unit else {}),
        **({"decimals": panel.digits} if panel.kind != "table" else {}),
        **{key: end for key, end in ends.items() if end is not None},
    }


def _overrides(panel: Panel) -> list[dict[str, Any]]:
    """Columns of epoch milliseconds are times."""
    if panel.kind != "table":
        return []
    unit = {"id": "unit", "value": "dateTimeAsIso"}
    return [{"matcher": {"id": "byRegexp", "options": "/_ms$/"}, "properties": [unit]}]


def _drawn(panel: Panel) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Grafana's kind of panel, its field's `custom` and its options."""
    if panel.kind in ("line", "area") or (panel.kind == "bar" and panel.time):
        return _over_time(panel)
    stacking = "normal" if panel.stacked else "none"
    limited = panel.warn is not None or panel.bad is not None
    one = {"calcs": ["lastNotNull"], "fields": "", "values": panel.kind == "pie"}
    if panel.values and panel.kind in ("stat", "gauge"):
        one["fields"] = f"/^{re.escape(panel.values[0])}$/"
    graph = {"graphMode": "area" if panel.time else "none", "colorMode": "value"}
    bars = {"xField": panel.by, "stacking": stacking, "legend": _LEGEND, "tooltip": _TOOLTIP}
    squares = {"showValue": "never", "rowHeight": 0.9, "colWidth": 0.95, "legend": _LEGEND}
    kinds: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
        "bar": ("barchart", {"fillOpacity": 80}, bars),
        "heatmap": ("status-history", {"fillOpacity": 80, "lineWidth": 0}, squares),
        "pie": ("piechart", {}, {"pieType": "donut", "reduceOptions": one, "legend": _LEGEND}),
        "stat": ("stat", {}, {**graph, **({} if limited else _CALM), "reduceOptions": one}),
        "gauge": ("gauge", {}, {"reduceOptions": one, "showThresholdMarkers": True}),
        "table": ("table", {"align": "auto"}, {"showHeader": True, "cellHeight": "sm"}),
    }
    return kinds[panel.kind]


def _over_time(panel: Panel) -> tuple[str, dict[str, Any], dict[str, Any]]:
    custom = {
        "drawStyle": "bars" if panel.kind == "bar" else "line",
        "lineWidth": 1,
        "fillOpacity": {"line": 0, "area": 25, "bar": 80}[panel.kind],
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if panel.stacked else "none"},
    }
    return "timeseries", custom, {"legend": _LEGEND, "tooltip": _TOOLTIP}


def written(document: dict[str, Any]) -> str:
    """A document as text, the same for the same files."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
