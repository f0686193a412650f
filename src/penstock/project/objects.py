"""What a project is made of: frozen objects that the loader fills and everyone else reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from penstock.errors import UsageError
from penstock.project import graph
from penstock.project.lexer import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from penstock.project.cases import Case
    from penstock.project.dashboards import Dashboard
    from penstock.project.lexer import Token

Stage = Literal["bronze", "silver", "gold"]
StatementKind = Literal["table", "materialized_view", "view", "dictionary"]
SourceKind = Literal["http", "kafka", "file"]
Severity = Literal["info", "warning", "critical"]

STAGES: tuple[Stage, ...] = ("bronze", "silver", "gold")


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that looks most like `name`, or an empty text where none does."""
    by_small = {k.lower(): k for k in known}
    found = get_close_matches(name.lower(), list(by_small), n=1, cutoff=0.6)
    return by_small[found[0]] if found else ""


@dataclass(frozen=True, slots=True)
class Header:
    """What the first block comment of an SQL file says about it.

    Attributes:
        description: in the author's words; empty where there is none.
        values: the whole YAML mapping, `description` among it.
    """

    description: str = ""
    values: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def text(self, key: str) -> str:
        """A value as text; empty where it is not set."""
        value = self.values.get(key)
        return "" if value is None else str(value).strip()


@dataclass(frozen=True, slots=True)
class Column:
    """One column as its CREATE TABLE writes it.

    Attributes:
        name: without quotes.
        type: in one spelling, without spaces: `DateTime64(3,'UTC')`.
        kind: `""`, `DEFAULT`, `MATERIALIZED`, `ALIAS` or `EPHEMERAL`.
        expression: tokens of the expression after `kind`.
        line: line of the file.
    """

    name: str
    type: str
    kind: str
    expression: tuple[Token, ...] = field(repr=False)
    line: int


@dataclass(frozen=True, slots=True)
class TableShape:
    """The parts of a CREATE TABLE that rules are about; texts in one spelling, see `lexer.plain`.

    Attributes:
        columns: in order.
        engine: the engine's name without arguments, such as `MergeTree`.
        clauses: tokens after `PARTITION BY`, `ORDER BY`, `PRIMARY KEY`, `SAMPLE BY`, `TTL` and
            `SETTINGS`.
        settings: name → value as written.
    """

    columns: tuple[Column, ...]
    engine: str
    clauses: Mapping[str, tuple[Token, ...]] = field(repr=False)
    settings: Mapping[str, str]

    def column(self, name: str) -> Column | None:
        """A column by name, or None."""
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True, slots=True)
class Statement:
    """One CREATE of a relation's file.

    Attributes:
        sql: as written, from its first word to its last, without the semicolon.
        line: line of the file on which `sql` starts, from 1.
        kind: what it creates.
        name: what it creates is called.
        target: the table a materialized view writes to; empty for the other kinds.
        reads: tables it reads, as written (`readings` or `db.readings`), each once, in order.
        table: columns and clauses where it creates a table, else None.
        tokens: of `sql`, without comments.
        query: the tokens after `AS` where it is a view.
    """

    sql: str = field(repr=False)
    line: int
    kind: StatementKind
    name: str
    target: str
    reads: tuple[str, ...]
    table: TableShape | None = field(default=None, repr=False)
    tokens: tuple[Token, ...] = field(default=(), repr=False)
    query: tuple[Token, ...] = field(default=(), repr=False)

    @property
    def select(self) -> str:
        """A view's SELECT as written; empty for the other kinds."""
        return self.sql[self.query[0].start - self.tokens[0].start :] if self.query else ""


@dataclass(frozen=True, slots=True)
class Relation:
    """One file of bronze, silver or gold: a table with the view that fills it, or a view.

    Attributes:
        domain: name of its domain.
        database: ClickHouse database it lives in.
        stage: `bronze`, `silver` or `gold`.
        name: the file's name.
        path: the file.
        sql: the file's text.
        header: its metadata.
        statements: in the order they are run.
    """

    domain: str
    database: str
    stage: Stage
    name: str
    path: Path
    sql: str = field(repr=False)
    header: Header = field(repr=False)
    statements: tuple[Statement, ...]

    @property
    def main(self) -> Statement | None:
        """The statement that creates what the file is named after."""
        return next((s for s in self.statements if s.name == self.name), None)

    @property
    def main_kind(self) -> StatementKind | None:
        """What the file creates: a table, a view or a dictionary."""
        return self.main.kind if self.main else None

    @property
    def table(self) -> TableShape | None:
        """Columns and clauses of its table; None where it is a view or a dictionary."""
        return self.main.table if self.main else None

    @property
    def views(self) -> tuple[Statement, ...]:
        """The materialized views that fill its table."""
        return tuple(s for s in self.statements if s.kind == "materialized_view")

    @property
    def reads(self) -> tuple[str, ...]:
        """Tables that its statements read, as written, each once."""
        return tuple(dict.fromkeys(name for s in self.statements for name in s.reads))

    @property
    def ttl(self) -> str:
        """The table's TTL clause in one spelling; empty where it keeps its rows."""
        return self.clause("TTL")

    def clause(self, name: str) -> str:
        """A clause of its table, such as `PARTITION BY`, in one spelling; empty where not set."""
        return plain(self.table.clauses.get(name, ())) if self.table else ""


@dataclass(frozen=True, slots=True)
class Param:
    """A `{name:Type}` of an endpoint.

    Attributes:
        name: of the parameter.
        type: ClickHouse's.
        default: text as a URL would carry it; None is NULL, or that there is none.
        description: from the header.
        required: there is no default, so a request must say it.
    """

    name: str
    type: str
    default: str | None
    description: str
    required: bool


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One file of serve/ or checks/: a SELECT with typed parameters.

    Attributes:
        domain: name of its domain.
        database: ClickHouse database its table names are looked up in.
        name: the file's name.
        path: the file.
        sql: the SELECT as written, without the semicolon.
        line: line of the file on which `sql` starts, from 1.
        header: its metadata.
        params: in the order they are first used.
        reads: tables it reads, as written, each once.
        tokens: of `sql`, without comments.
        written: the SELECT with its time macros, where it has some; `sql` has them written out.
    """

    domain: str
    database: str
    name: str
    path: Path
    sql: str = field(repr=False)
    line: int
    header: Header = field(repr=False)
    params: tuple[Param, ...]
    reads: tuple[str, ...]
    tokens: tuple[Token, ...] = field(default=(), repr=False)
    written: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Alert:
    """One file of alerts/: a SELECT of which each row is firing.

    Attributes:
        query: the SELECT; its parameters all have defaults.
        every: seconds between two looks.
        wait: seconds that a row has to be there before it fires.
        keep: seconds that it has to be gone before it is resolved.
        key: columns that say what a row is about; empty: the first one.
        severity: `info`, `warning` or `critical`.
        notify: who is told: `log`, `webhook`, `slack`, `mail`; the page always shows it.
        message: for people, with `{column}` where a row's value goes; empty: the description.
    """

    query: Endpoint
    every: float
    wait: float
    keep: float
    key: tuple[str, ...]
    severity: Severity
    notify: tuple[str, ...]
    message: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.query.name


@dataclass(frozen=True, slots=True)
class Source:
    """One file of sources/.

    Attributes:
        domain: name of its domain.
        name: the file's name.
        kind: `http`, `kafka` or `file`.
        into: name of the bronze relation.
        options: the file's other keys, as written.
        path: the file.
    """

    domain: str
    name: str
    kind: SourceKind
    into: str
    options: Mapping[str, object]
    path: Path

    @property
    def using(self) -> Path | None:
        """The .sql file whose SELECT turns `input` into records; None where rows are taken raw."""
        name = self.options.get("using")
        return self.path.parent / str(name) if name else None


@dataclass(frozen=True, slots=True)
class Domain:
    """A folder of the project: one ClickHouse database.

    Attributes:
        name: the folder's name.
        database: prefix and name.
        root: the folder.
        sources: by name.
        relations: in creation order: what is read comes before what reads it.
        endpoints: by name.
        cases: the tests, by name.
        checks: files and rules in headers; each is a SELECT whose rows are failures.
        alerts: by name.
        dashboards: by name.
    """

    name: str
    database: str
    root: Path
    sources: tuple[Source, ...]
    relations: tuple[Relation, ...]
    endpoints: tuple[Endpoint, ...]
    cases: tuple[Case, ...] = ()
    checks: tuple[Endpoint, ...] = ()
    alerts: tuple[Alert, ...] = ()
    dashboards: tuple[Dashboard, ...] = ()

    @property
    def queries(self) -> tuple[Endpoint, ...]:
        """Every SELECT that is asked of its relations."""
        drawn = (query for dashboard in self.dashboards for query in dashboard.queries)
        return (*self.endpoints, *self.checks, *(alert.query for alert in self.alerts), *drawn)

    def relation(self, name: str) -> Relation:
        """A relation by name. Raises UsageError, with the nearest name, where there is none."""
        return _pick(self.relations, name, f"relation of {self.name}")

    def source(self, name: str) -> Source:
        """A source by name. Raises UsageError, with the nearest name, where there is none."""
        return _pick(self.sources, name, f"source of {self.name}")

    def endpoint(self, name: str) -> Endpoint:
        """An endpoint by name. Raises UsageError, with the nearest name, where there is none."""
        return _pick(self.endpoints, name, f"endpoint of {self.name}")

    def dashboard(self, name: str) -> Dashboard:
        """A dashboard by name. Raises UsageError, with the nearest name, where there is none."""
        return _pick(self.dashboards, name, f"dashboard of {self.name}")


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with a penstock.toml.

    Attributes:
        root: the folder.
        name: identifier of the project.
        title: name for people.
        domains: by name.
        inserts_per_second: how many batches a second a bronze table is to take at most; the
            deduplication windows are measured by it.
        settings: the tables of penstock.toml, as written.
    """

    root: Path
    name: str
    title: str
    domains: tuple[Domain, ...]
    inserts_per_second: float = 4.0
    settings: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def domain(self, name: str) -> Domain:
        """A domain by name. Raises UsageError, with the nearest name, where there is none."""
        return _pick(self.domains, name, "domain")

    def source(self, domain: str, name: str) -> Source:
        """A source by domain and name."""
        return self.domain(domain).source(name)

    def relation(self, domain: str, name: str) -> Relation:
        """A relation by domain and name."""
        return self.domain(domain).relation(name)

    def endpoint(self, domain: str, name: str) -> Endpoint:
        """An endpoint by domain and name."""
        return self.domain(domain).endpoint(name)

    def relations(self) -> tuple[Relation, ...]:
        """All relations in creation order: what is read comes before what reads it."""
        return tuple(relation for domain in self.domains for relation in domain.relations)

    def sources(self) -> tuple[Source, ...]:
        """All sources."""
        return tuple(source for domain in self.domains for source in domain.sources)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """All endpoints."""
        return tuple(endpoint for domain in self.domains for endpoint in domain.endpoints)

    def cases(self) -> tuple[Case, ...]:
        """All tests."""
        return tuple(case for domain in self.domains for case in domain.cases)

    def checks(self) -> tuple[Endpoint, ...]:
        """All checks."""
        return tuple(check for domain in self.domains for check in domain.checks)

    def alerts(self) -> tuple[Alert, ...]:
        """All alerts."""
        return tuple(alert for domain in self.domains for alert in domain.alerts)

    def dashboards(self) -> tuple[Dashboard, ...]:
        """All dashboards."""
        return tuple(found for domain in self.domains for found in domain.dashboards)

    def first_silver(self, bronze: Relation) -> Relation | None:
        """The 1:1 silver of a bronze table: the relation whose view reads it; None without one."""
        return graph.first_silver(self.domain(bronze.domain).relations, bronze)

    def downstream(self, relation: Relation) -> tuple[Relation, ...]:
        """Every relation that a row of `relation` flows into by views, in creation order."""
        return graph.downstream(self.domain(relation.domain).relations, relation)

    def changing(self, relation: Relation) -> tuple[Relation, ...]:
        """Every relation that a row of `relation` may change, itself and views among them."""
        return graph.changing(self.domain(relation.domain).relations, relation)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Item = TypeVar("_Item", bound=_Named)


def _pick(items: tuple[_Item, ...], name: str, noun: str) -> _Item:
    for item in items:
        if item.name == name:
            return item
    known = sorted(item.name for item in items)
    near = nearest(name, known)
    raise UsageError(
        f"there is no {noun} called {name!r}",
        next_step=f"did you mean {near!r}?" if near else f"known: {', '.join(known) or 'none'}",
    )
