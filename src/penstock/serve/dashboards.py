"""`GET /v1/dashboards`: what the page needs to draw the dashboards of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.project.dashboards import Dashboard, Panel, Variable
    from penstock.project.objects import Project


def document(project: Project) -> dict[str, Any]:
    """All dashboards with their rows, panels and variables; queries by the names of their tiles."""
    return {"dashboards": [_dashboard(found) for found in project.dashboards()]}


def _dashboard(found: Dashboard) -> dict[str, Any]:
    place = f"{found.domain}/{found.name}"
    return {
        "domain": found.domain,
        "name": found.name,
        "title": found.title,
        "description": found.description,
        "start": found.start,
        "end": found.end,
        "refresh_s": found.refresh,
        "variables": [_variable(variable, place) for variable in found.variables],
        "rows": [
            {
                "title": row.title,
                "height": row.height,
                "panels": [_panel(panel, found, place) for panel in row.panels],
            }
            for row in found.rows
        ],
    }


def _variable(variable: Variable, place: str) -> dict[str, Any]:
    return {
        "name": variable.name,
        "label": variable.label,
        "kind": variable.kind,
        "values": list(variable.values),
        "default": variable.default,
        "all": variable.all,
        "tile": f"{place}/var-{variable.name}" if variable.query else "",
    }


def _panel(panel: Panel, found: Dashboard, place: str) -> dict[str, Any]:
    asked = f"{place}/{panel.name}" if panel.own else f"{found.domain}/{panel.query.name}"
    same = ("name", "title", "description", "kind", "time", "by", "unit", "digits", "width",
            "low", "high", "warn", "bad", "stacked")  # fmt: skip
    return {
        **{key: getattr(panel, key) for key in same},
        "tile": asked,
        "params": dict(panel.given(found.variables)),
        "spans": list(panel.spans),
        "values": list(panel.values),
    }
