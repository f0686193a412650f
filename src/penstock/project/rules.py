"""The rules of the flow (design: «A user's project»), applied to a whole project.

Each rule is a function that yields what breaks it: `table_rules` for tables, `view_rules` for the
views that fill them. They look at text only; what needs the types of the engine is in
`layers.check`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.errors import Problem
from penstock.project import statements, table_rules, view_rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from penstock.project.findings import Finding
    from penstock.project.objects import Project


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
        for endpoint in (*domain.endpoints, *domain.checks):
            note(endpoint.path, table_rules.foreign_functions(endpoint.tokens))
        for using in sorted({s.using for s in domain.sources if s.using}):
            if using.is_file():
                text = statements.read("", using.read_text(encoding="utf-8-sig", errors="replace"))
                note(
                    using,
                    table_rules.foreign_functions([t for piece in text.pieces for t in piece]),
                )
    return problems
