"""Columns that a panel names, held against those that its query gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.errors import EngineError, Problem
from penstock.project.objects import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from penstock.engine.scratch import Scratch
    from penstock.project.dashboards import Dashboard, Panel

_NUMBERS = ("Int", "UInt", "Float", "Decimal", "BFloat")
_WRAPPED = ("Nullable(", "LowCardinality(", "SimpleAggregateFunction(")


def unfit(
    engine: Scratch,
    dashboard: Dashboard,
    panel: Panel,
    params: Mapping[str, str | None],
    root: Path,
) -> Iterator[Problem]:
    """Every column that a panel draws and its query does not give, or not as it is drawn."""
    try:
        rows = engine.rows(f"DESCRIBE TABLE ({panel.query.sql}\n)", params)
    except EngineError:  # it has been told as what the SELECT itself is
        return
    given = {str(row["name"]): _bare(str(row["type"])) for row in rows}
    file = dashboard.path.relative_to(root).as_posix()
    for name in dict.fromkeys((panel.time, panel.by, *panel.values)):
        if name and name not in given:
            near = nearest(name, given)
            hint = f"did you mean {near!r}?" if near else f"it gives {', '.join(given)}"
            cause = f"panel {panel.title!r}: its query gives no column {name!r}"
            yield Problem(file, panel.line, cause, hint)
    kind = given.get(panel.time, "")
    if kind and not kind.startswith(("Date", *_NUMBERS)):
        cause = f"panel {panel.title!r}: {panel.time!r} is {kind}, no time"
        yield Problem(file, panel.line, cause, "a DateTime, or epoch ms in a column of …_ms")
    if panel.kind == "table":
        return
    for name in panel.values:
        kind = given.get(name, "")
        if kind and not kind.startswith(_NUMBERS) and panel.kind != "stat":
            cause = f"panel {panel.title!r}: {name!r} is {kind}, no number"
            yield Problem(file, panel.line, cause, f"a {panel.kind} draws numbers")


def _bare(kind: str) -> str:
    while kind.startswith(_WRAPPED):
        kind = kind.partition("(")[2].rpartition(")")[0].rpartition(", ")[2]
    return kind
