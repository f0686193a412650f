"""The rules of the flow (design: «A user's project»), applied to a whole project.

Each rule is a function that yields what breaks it: `table_rules` for tables, `view_rules` for the
views that fill them. They look at text only; what needs the types of the engine is in
`layers.check`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.errors import Problem
from penstock.project import statements, table_rules, view_rules
from penstock.project.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from penstock.project.objects import Project, Relation


def broken_rules(project: Project) -> list[Problem]:
    """Every rule that a project breaks, with file, line, cause and what to do."""
    problems: list[Problem] = []

    def note(path: Path, findings: Iterator[Finding]) -> None:
        file = path.relative_to(project.root).as_posix()
        problems.extend(Problem(file, f.line, f.cause, f.hint) for f in findings)

    for domain in project.domains:
        for relation in domain.relations:
            note(relation.path, table_rules.table_rules(relation, project.inserts_per_second))
            note(relation.path, view_rules.view_rules(domain, relation))
            note(relation.path, rename_hints(relation))
        for endpoint in domain.queries:
            note(endpoint.path, table_rules.foreign_functions(endpoint.tokens))
        for using in sorted({s.using for s in domain.sources if s.using}):
            if using.is_file():
                text = statements.read("", using.read_text(encoding="utf-8-sig", errors="replace"))
                note(
                    using,
                    table_rules.foreign_functions([t for piece in text.pieces for t in piece]),
                )
    return problems


def rename_hints(relation: Relation) -> Iterator[Finding]:
    """What a header says about former names fits the names that are there now."""
    line = relation.main.line if relation.main else 0
    if relation.header.text("renamed_from") == relation.name:
        cause = f"renamed_from: {relation.name}: that is its name now"
        yield Finding(line, cause, "write the former name, or leave it out")
    hints = relation.header.values.get("renames", {})
    if not isinstance(hints, dict):
        yield Finding(line, "renames is no mapping", "write renames: {old_name: new_name}")
        return
    for old, new in hints.items():
        if relation.table is None or not relation.table.column(str(new)):
            cause = f"renames: {{{old}: {new}}}: there is no column {str(new)!r}"
            yield Finding(line, cause, "write renames: {old_name: new_name}")
        elif relation.table.column(str(old)):
            cause = f"renames: {{{old}: {new}}}: column {str(old)!r} is still there"
            yield Finding(line, cause, f"leave {old} out of the table")
