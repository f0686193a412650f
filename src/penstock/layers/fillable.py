"""Whether a relation can be filled anew from what it reads, and what stands in the way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.project.retention import kept_ms

if TYPE_CHECKING:
    from penstock.layers.forms import Form
    from penstock.layers.states import Consent, State
    from penstock.project.objects import Project, Relation

_FORWARD = "`--forward-only {name}` takes rows from now on only; stored ones stay as they are"
_LOSS = "`--accept-loss {name}` fills it with what is there, and the rest is gone"
_CARRY = "`--carry {name}` keeps what it holds of the time before, and fills the rest anew"
_LATEST = re.compile(r"\bany_?last\b|\banyLast\b|\bany\b", re.IGNORECASE)
_TIME = re.compile(r"Date(?:32|Time(?:64)?)?\b.*")


def obstacle(
    project: Project, relation: Relation, have: State, consent: Consent
) -> tuple[str, str] | None:
    """Why a relation cannot be filled anew, and what to do instead; None where it can.

    Args:
        project: the files.
        relation: with views that feed its table.
        have: what is there.
        consent: what the user agreed to; a choice among the ways out opens the way.
    """
    read = sources(project, relation)
    if any(source.stage == "bronze" for source in read):
        return (
            "batches are counted in it as they land",
            "where it had another name, write `renamed_from` in its header; else " + _FORWARD,
        )
    uncut = next((s for s in read if s.table is None or not s.table.column("_batch")), None)
    if uncut is not None:
        return (
            f"{uncut.name} has no column _batch, so it cannot be told what came before",
            f"let {uncut.name} carry _batch from silver, or read what does; or {_FORWARD}",
        )
    order = _order(relation)
    if order:
        return f"{order}: which row wins depends on the order in which they come", _FORWARD
    return _short(relation, read, have, consent)


def sources(project: Project, relation: Relation) -> list[Relation]:
    """The relations that a relation's views read."""
    names = {name for view in relation.views for name in view.reads}
    return [r for r in project.relations() if r.database == relation.database and r.name in names]


def time_column(relation: Relation) -> str | None:
    """The time in a table's key by which its older rows can be told; None without one."""
    table = relation.table
    if table is None:
        return None
    named = [t.value for t in table.clauses.get("ORDER BY", ()) if t.is_name]
    columns = (table.column(name) for name in named)
    return next((c.name for c in columns if c is not None and _TIME.fullmatch(c.type)), None)


def _short(
    relation: Relation, read: list[Relation], have: State, consent: Consent
) -> tuple[str, str] | None:
    """A source that keeps less history than the table that is there."""
    name = f"{relation.database}.{relation.name}"
    former = have.forms.get(name)
    gone = [s for s in read if f"{s.database}.{s.name}" in have.lost and _shorter(s, relation)]
    if former is None or not former.rows or not gone or consent.names("accept_loss", name):
        return None
    if consent.names("carry", name):
        why = _not_carried(relation, former)
        return (why, f"{_FORWARD}; {_LOSS}") if why else None
    why = f"{gone[0].name} keeps its rows for less time than {relation.name}; the oldest are gone"
    return why, f"{_FORWARD}; {_CARRY}; {_LOSS}"


def _not_carried(relation: Relation, former: Form) -> str:
    """Why the former table's rows have no place in the new one; empty where they have."""
    table = relation.table
    column = time_column(relation)
    if table is None or column is None:
        return "no time in its key says which of its rows are older"
    for token in table.clauses.get("ORDER BY", ()):
        wanted = table.column(token.value) if token.is_name else None
        if wanted is None:
            continue
        there = former.columns.get(wanted.name)
        if there is None or "".join(there.type.split()) != wanted.type:
            return f"its older rows cannot be carried, as they have no {wanted.name}"
    return ""


def _shorter(source: Relation, relation: Relation) -> bool:
    kept, wanted = kept_ms(source), kept_ms(relation)
    return kept is not None and (wanted is None or kept < wanted)


def _order(relation: Relation) -> str:
    """What of a table depends on the order of its rows' coming; empty where nothing does."""
    table = relation.table
    if table is None:
        return ""
    arguments = [t.value for t in table.clauses.get("ENGINE", ()) if t.is_name]
    engine = table.engine
    if engine.endswith("CollapsingMergeTree") and "Versioned" not in engine:
        return f"its engine is {engine}"
    if engine.endswith("ReplacingMergeTree") and not arguments[1:]:
        return f"its engine is {engine} without a version"
    last = next((c for c in table.columns if _LATEST.search(c.type)), None)
    return f"column {last.name} is {last.type}" if last else ""
