"""States: everything of some databases as forms, read from an engine, with what it weighs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.layers import forms
from penstock.layers.statements import fill
from penstock.project.lexer import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from penstock.engine.client import Client
    from penstock.layers.forms import Form
    from penstock.project.objects import Project
    from penstock.store.journal import Applied


@dataclass(frozen=True, slots=True)
class State:
    """What is there.

    Attributes:
        forms: `database.name` → form.
        sizes: `database.name` → column → bytes on disk.
        lost: `database.name` of tables that may have let go of rows by age.
    """

    forms: Mapping[str, Form] = field(default_factory=dict)
    sizes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Consent:
    """What the user agreed to besides what a plan does of itself.

    Attributes:
        drop: relations and columns that may be dropped with their rows; as `name`,
            `database.name` or `database.name.column`.
        forward_only: relations whose view may take rows from now on, without a backfill.
        carry: relations that may keep rows of which their source has let go, as they are.
        accept_loss: relations that may lose such rows.
        rebuild: relations to be filled anew, though nothing else asks for it.
    """

    drop: frozenset[str] = frozenset()
    forward_only: frozenset[str] = frozenset()
    carry: frozenset[str] = frozenset()
    accept_loss: frozenset[str] = frozenset()
    rebuild: frozenset[str] = frozenset()

    def __or__(self, other: Consent) -> Consent:
        return Consent(*(getattr(self, n) | getattr(other, n) for n in self.__slots__))

    def document(self) -> dict[str, list[str]]:
        """As JSON."""
        return {name: sorted(getattr(self, name)) for name in self.__slots__}

    @classmethod
    def read(cls, document: Mapping[str, Iterable[str]]) -> Consent:
        """From JSON."""
        return cls(*(frozenset(document.get(name, ())) for name in cls.__slots__))

    def names(self, what: str, relation: str) -> bool:
        """Whether it says something of a relation, named `database.name` or `name`."""
        return bool({relation, relation.partition(".")[2]} & getattr(self, what))


def databases(project: Project) -> list[str]:
    """The databases of a project."""
    return [domain.database for domain in project.domains]


def question(names: Iterable[str], statement: str = "forms") -> str:
    """The query that asks an engine for everything of some databases."""
    return fill(statement, databases=listed(names))


def listed(names: Iterable[str]) -> str:
    """Names as string literals with commas between."""
    return ", ".join(literal(name) for name in names)


def live(client: Client, project: Project) -> State:
    """What the engine holds of a project's databases."""
    names = databases(project)
    found = [forms.read(row) for row in client.rows(question(names))]
    sizes: dict[str, dict[str, int]] = {}
    for row in client.rows(question(names, "column_sizes")):
        of_table = sizes.setdefault(f"{row['database']}.{row['table']}", {})
        of_table[row["name"]] = int(row["bytes"])
    return State({form.full_name: form for form in found}, sizes)


def remembered(applied: Applied) -> dict[str, Form]:
    """The forms that were applied last."""
    return {name: forms.read(row) for name, row in applied.forms.items()}


def owners(project: Project) -> dict[str, str]:
    """`database.table` of each statement → `database.relation` of its file."""
    return {
        f"{relation.database}.{statement.name}": f"{relation.database}.{relation.name}"
        for relation in project.relations()
        for statement in relation.statements
    }


def digest(project: Project) -> str:
    """Of what a project's statements say; comments and white space may change freely."""
    found = hashlib.sha256()
    for relation in project.relations():
        for statement in relation.statements:
            words = "\x1f".join(token.text for token in statement.tokens)
            found.update(f"{relation.database}.{statement.name}\x1e{words}\x1d".encode())
    return found.hexdigest()
