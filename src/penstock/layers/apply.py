"""Apply: creates what a project names, in the order of the flow, and is safe to repeat.

It only ever adds. Where a relation exists and its file now says something else, it refuses and
says what differs; plans for changes are not written yet. It refuses as well what it did not make,
and a view over rows that are there already: its table would start without them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.errors import RefusedChangeError

if TYPE_CHECKING:
    from penstock.engine.client import Client
    from penstock.project.objects import Project, Relation, Statement
    from penstock.store.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Applied:
    """What one apply did: names as `database.name`."""

    created: tuple[str, ...]
    unchanged: tuple[str, ...]


def apply(project: Project, client: Client, ledger: Ledger) -> Applied:
    """Create the project's databases, tables and views.

    Raises:
        RefusedChangeError: a relation exists in another form; nothing has been changed then.
    """
    existing = {d.database: _existing(client, d.database) for d in project.domains}
    changed = [
        f"{relation.database}.{statement.name} ({relation.path.relative_to(project.root)}:"
        f"{statement.line})"
        for relation in project.relations()
        for statement in relation.statements
        if _differs(ledger, relation, statement, existing[relation.database])
    ]
    if changed:
        raise RefusedChangeError(
            "the files differ from what is stored, or this data directory did not make what is "
            "there, and changing it could lose data: " + ", ".join(changed),
            next_step="put the files back, or start a new data directory: PENSTOCK_DATA=… (on a "
            "server also another PENSTOCK_PREFIX=…)",
        )
    late = [
        f"{relation.name} ({relation.path.relative_to(project.root)}:{view.line}) over {source}"
        for relation in project.relations()
        for view in relation.views
        if view.name not in existing[relation.database]
        for source in view.reads
        if source in existing[relation.database] and _holds_rows(client, relation, source)
    ]
    if late:
        raise RefusedChangeError(
            "these would start empty, over tables that hold rows: " + ", ".join(late),
            next_step="leave them out until rows can be filled in from before, or start a new "
            "data directory: PENSTOCK_DATA=…",
        )
    created, unchanged = [], []
    for domain in project.domains:
        client.execute(f"CREATE DATABASE IF NOT EXISTS `{domain.database}`")
    for relation in project.relations():
        for statement in relation.statements:
            name = f"{relation.database}.{statement.name}"
            # Before it is made: what stands there without a note is then never ours.
            ledger.put(_note(relation, statement), _digest(statement))
            if statement.name in existing[relation.database]:
                unchanged.append(name)
            else:
                client.execute(statement.sql, database=relation.database)
                created.append(name)
    return Applied(tuple(created), tuple(unchanged))


def _existing(client: Client, database: str) -> set[str]:
    sql = "SELECT name FROM system.tables WHERE database = {database:String}"
    return {row["name"] for row in client.rows(sql, params={"database": database})}


def _differs(ledger: Ledger, relation: Relation, statement: Statement, existing: set[str]) -> bool:
    if statement.name not in existing:
        return False
    return ledger.get(_note(relation, statement)) != _digest(statement)


def _holds_rows(client: Client, relation: Relation, table: str) -> bool:
    sql = f"SELECT 1 FROM `{table}` LIMIT 1"  # noqa: S608 - a name of the project's
    return bool(client.rows(sql, database=relation.database))


def _note(relation: Relation, statement: Statement) -> str:
    return f"applied:{relation.database}.{statement.name}"


def _digest(statement: Statement) -> str:
    """Of the statement's words; comments and white space may change freely."""
    words = " ".join(token.text for token in statement.tokens)
    return hashlib.sha256(words.encode()).hexdigest()
