"""What a plan is made of: steps, each labelled, in words, with its SQL and what it touches."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from penstock.project.objects import Project

Label = Literal["metadata", "forward-only", "backfill", "refused"]
Kind = Literal[
    "rename", "create", "alter", "recreate", "view", "drop column", "drop", "backfill", "refused"
]

RENAME, BUILD, LOSE = range(3)
"""The order of phases: names first, then what flows, upstream first; what is lost goes last."""


@dataclass(frozen=True, slots=True)
class Readers:
    """Who reads a relation: names as `domain/name`."""

    relations: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()

    def __str__(self) -> str:
        found = [*self.relations, *(f"endpoint {name}" for name in self.endpoints)]
        return ", ".join(found) or "nobody"


@dataclass(frozen=True, slots=True)
class Step:
    """One change.

    Attributes:
        relation: `database.relation` of the file it comes from, or of what is dropped.
        kind: what it does; a `backfill` is carried out by whoever `apply` is given for it.
        label: `metadata`: every stored value stays as it is; `forward-only`: rows from now on
            differ from those stored; `backfill`: stored rows have to be computed; `refused`.
        words: what it does, as a sentence.
        sql: its statements, in order; each may be repeated.
        touched: `database.table` it changes.
        rows: read or rewritten by it.
        bytes: on disk, of those rows.
        readers: of the relation.
        ways: what to do instead, where it is refused or needs a backfill.
        phase: `RENAME`, `BUILD` or `LOSE`.
    """

    relation: str
    kind: Kind
    label: Label
    words: str
    sql: tuple[str, ...] = ()
    touched: str = ""
    rows: int = 0
    bytes: int = 0
    readers: Readers = field(default_factory=Readers)
    ways: str = ""
    phase: int = BUILD

    @property
    def quiet(self) -> bool:
        """Whether no open batch may be left while it runs: it changes who gets a batch's rows.

        An ALTER in place is no such step: views keep their identity, and with it their tokens.
        """
        return self.kind in ("rename", "create", "recreate", "view", "backfill", "drop")

    @property
    def harmless(self) -> bool:
        """Whether it may be applied unasked: it touches no row that is stored, nor its meaning."""
        return self.label == "metadata" and not self.rows and self.kind in ("create", "alter")

    def document(self) -> dict[str, Any]:
        """As JSON."""
        found = asdict(self)
        del found["phase"]
        return found


def readers(project: Project, database: str, name: str) -> Readers:
    """Who reads a relation of a database, by the project's files."""
    for domain in project.domains:
        if domain.database == database:
            return Readers(
                tuple(f"{domain.name}/{r.name}" for r in domain.relations if name in r.reads),
                tuple(f"{domain.name}/{e.name}" for e in domain.endpoints if name in e.reads),
            )
    return Readers()


def place(project: Project, step: Step) -> str:
    """`path:line` of the statement that a step is about; empty where no file has it any more."""
    lines = {
        f"{relation.database}.{statement.name}": (relation.path, statement.line)
        for relation in project.relations()
        for statement in relation.statements
    }
    path, line = lines.get(step.touched) or lines.get(step.relation) or (None, 0)
    return f"{path.relative_to(project.root).as_posix()}:{line}" if path else ""
