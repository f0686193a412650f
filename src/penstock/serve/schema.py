"""What a statement of `/v1/sql` may name: tables, their columns, functions. For completion."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

from penstock.engine.analysts import MAX_BYTES, MAX_ROWS
from penstock.engine.functions import reviewed
from penstock.errors import EngineDownError, EngineError
from penstock.layers import statements
from penstock.serve.documents import sent

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from penstock.engine.client import Client
    from penstock.project.objects import Project, Relation

# What an author wrote behind a column's line: `energy Decimal(18, 3), -- Wh`, `… AS energy, -- Wh`.
_REMARK: Final = re.compile(
    r"^\s*(?:.*\bAS\s+)?[`\"]?(?P<name>\w+)[`\"]?(?:\s[^\n]*?)?,?\s*--\s*(?P<remark>\S[^\n]*?)\s*$",
    re.MULTILINE | re.IGNORECASE,
)
_OPEN: Final = {"silver", "gold"}


def open_tables(project: Project) -> list[tuple[str, str]]:
    """All that an analyst of a project may read, as (database, table)."""
    return [(relation.database, relation.name) for relation in _relations(project)]


class Schema:
    """What there is to ask about.

    Args:
        project: whose silver and gold may be read.
        client: to the engine.
    """

    def __init__(self, project: Project, client: Client) -> None:
        self._project, self._client = project, client
        self._functions: list[dict[str, Any]] | None = None

    def adopt(self, project: Project) -> None:
        """Describe another version of the project."""
        self._project = project

    async def __call__(self, request: Request) -> Response:
        """`GET /v1/sql/schema`."""
        return sent(request, await asyncio.to_thread(self.document))

    async def functions(self, request: Request) -> Response:
        """`GET /v1/sql/functions`: they change with the engine only."""
        return sent(request, {"functions": await asyncio.to_thread(self._known)})

    def document(self) -> dict[str, Any]:
        """All of it; `open` is false, with the reason, where the engine has no guard.

        Raises:
            EngineError: the engine does not say.
        """
        reason = ""
        try:
            self._client.need_guard()
        except EngineDownError:
            raise
        except EngineError as error:
            reason = error.what
        return {
            "open": not reason,
            "reason": reason,
            "engine": self._client.address.shown,
            "limits": {"rows": MAX_ROWS, "bytes": MAX_BYTES},
            "relations": self._described(),
        }

    def _described(self) -> list[dict[str, Any]]:
        relations = _relations(self._project)
        names = sorted({relation.database for relation in relations})
        listed = "[" + ",".join(f"'{name}'" for name in names) + "]"
        columns: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in self._client.rows(statements.load("open_columns"), params={"databases": listed}):
            columns.setdefault((row["database"], row["table"]), []).append(row)
        return [
            {
                "database": relation.database,
                "domain": relation.domain,
                "name": relation.name,
                "stage": relation.stage,
                "kind": relation.main_kind or "table",
                "description": relation.header.description,
                "columns": _columns(relation, columns.get((relation.database, relation.name), [])),
            }
            for relation in relations
        ]

    def _known(self) -> list[dict[str, Any]]:
        """Open functions with their form; a wordless one is listed by its name."""
        if self._functions is None:
            opened = reviewed().open
            self._functions = [
                {"name": row["name"], "form": row["form"], "aggregates": bool(row["aggregates"])}
                for row in self._client.rows(statements.load("function_forms"))
                if row["name"] in opened
            ]
        return self._functions


def _relations(project: Project) -> list[Relation]:
    return [
        relation
        for domain in project.domains
        for relation in domain.relations
        if relation.stage in _OPEN
    ]


def _columns(relation: Relation, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    remarks = {found["name"]: found["remark"] for found in _REMARK.finditer(relation.sql)}
    return [
        {
            "name": row["name"],
            "type": row["type"],
            "comment": row["comment"] or remarks.get(row["name"], ""),
            "sorted": bool(row["sorted"]),
        }
        for row in rows
    ]
