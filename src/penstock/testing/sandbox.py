"""A project's tables, views and endpoints in a throw-away engine whose clock stands still."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import tempfile
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from penstock.engine.scratch import Scratch
from penstock.errors import EngineError, ExpectationError, UsageError
from penstock.layers import insertion
from penstock.layers.landing import Target
from penstock.layers.statements import fill
from penstock.project import clock, load
from penstock.project.cases import TOLERANCE, moment, param_text
from penstock.project.objects import Project, Source, nearest
from penstock.store.records import Intent, Span
from penstock.testing.compare import Answer, Wanted, rows_differ, schema_differs
from penstock.testing.records import FILES, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from penstock.project.objects import Domain, Endpoint, Relation, Statement
    from penstock.testing.records import Records

Time = dt.datetime | str
"""A time, or its ISO 8601 text; UTC where it names no zone."""

_ROWS = "JSONCompactEachRowWithNamesAndTypes"
_ALL = str(2**31 - 1)
_EXISTS = 82  # DATABASE_ALREADY_EXISTS
_JSON = ("quote_64bit_integers = 0", "quote_decimals = 0", "quote_denormals = 1")


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Item = TypeVar("_Item", bound=_Named)


class Sandbox:
    """A context manager around an engine with a project's relations, empty at first.

    A name may be written `domain/name`; the domain may be left out while the name is unique.
    Nothing expires in it, and a relation is read as it would be after all merges.

    Args:
        project: the project, or its folder.

    Raises:
        InvalidProjectError: mistakes in its files.
        EngineError: the engine refuses a statement, or one runs in this process already.
    """

    def __init__(self, project: Project | Path | str) -> None:
        self.project = project if isinstance(project, Project) else load(Path(project))
        self.now = dt.datetime.now(dt.UTC)
        self._tokens = itertools.count(1)
        self._batches = itertools.count(1)
        self._positions: dict[tuple[str, str], int] = {}
        self._written: set[str] = set()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="penstock-testing-"))
            self._folder = Path(folder)
            self._engine = stack.enter_context(Scratch((self._folder, self.project.root)))
            self._create()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def start(self, now: Time | None = None) -> None:
        """Empty every relation and set the clock.

        Args:
            now: what now() says from here on; the present moment where it is not given.
        """
        for domain in self.project.domains:
            if domain.name in self._written:
                self._empty(domain)
        self._written.clear()
        self._positions.clear()
        self._batches = itertools.count(1)
        self.now = _time(now) if now is not None else dt.datetime.now(dt.UTC)
        for domain in self.project.domains:
            for view in _clocked_views(domain):
                self._enter(domain.database)
                self._engine.execute(f"DROP VIEW IF EXISTS `{view.name}`")
                self._engine.execute(clock.frozen(view.sql, self._now_ms))

    def given(self, into: str, records: Records, *, at: Time | None = None) -> int:
        """Land records as one batch, by the statement that lands them in production.

        Args:
            into: a source or a bronze relation. The records of a source of kind `file` are its
                file, or the file's text, and go through its conversion.
            records: what is sent; blank lines are none.
            at: when they arrive; now where it is not given.

        Returns:
            How many records that were.

        Raises:
            EngineError: a view refuses them, as it would in production.
            ExpectationError: good rows did not reach the 1:1 silver: landing would stand still.
        """
        domain, source, bronze = self._place(into)
        body, rows = lines(self._engine, self._folder, source, records)
        if not rows:
            return 0
        name = _lands_as(source) if source else bronze.name
        start = self._positions.get((domain.name, name), 0)
        self._positions[domain.name, name] = start + rows
        self._written.add(domain.name)
        arrived = int((_time(at) if at is not None else self.now).timestamp() * 1000)
        span = Span(0, start, start + rows)
        intent = _intent(next(self._batches), span, f"given-{next(self._tokens)}", arrived)
        silver = self.project.first_silver(bronze)
        target = Target(domain.database, bronze.name, silver.name if silver else "", ())
        self._enter(domain.database)
        self._engine.insert(insertion.statement(target, name, intent), body, rows=rows)
        if silver:
            self._count(target, name, intent)
        for relation in domain.relations:
            if relation.main_kind == "dictionary":
                self._engine.execute(f"SYSTEM RELOAD DICTIONARY `{relation.name}`")
        return rows

    def rows(self, relation: str) -> list[dict[str, Any]]:
        """The rows of a relation in any order, aggregate states as their values."""
        return _mappings(self._relation(self._found("relation", relation, _relations)))

    def answer(self, endpoint: str, **params: object) -> list[dict[str, Any]]:
        """The rows that an endpoint answers.

        Raises:
            BadInputError: an unknown or a missing parameter. EngineError: the query fails.
        """
        found = self._found("endpoint", endpoint, _endpoints)
        return _mappings(self._asked(found, params))

    def dead_letters(self, of: str) -> list[dict[str, Any]]:
        """Dead letters of a source or a bronze relation: source, part, pos, reason, raw."""
        return _mappings(self._dead_letters(of))

    def expect(
        self,
        relation: str,
        rows: Sequence[Mapping[str, object]] | None = None,
        *,
        order: bool = False,
        tolerance: float | Decimal = TOLERANCE,
        schema: Mapping[str, str] | None = None,
    ) -> None:
        """Compare a relation's rows.

        Args:
            relation: any table or view of the project.
            rows: all of them; only the columns that one of them names are looked at.
            order: whether they come in this order.
            tolerance: of floats, relative to the expected value; other numbers are exact.
            schema: column → type, all columns in order.

        Raises:
            ExpectationError: they differ; the message is a table of what differs.
        """
        found = self._found("relation", relation, _relations)
        self._enter(found.database)
        types = {} if schema is None else {n: kind for n, kind, _ in self._columns(found)}
        wanted = Wanted(rows or (), order, Decimal(str(tolerance)))
        _demand(
            "" if schema is None else schema_differs(schema, types, relation),
            "" if rows is None else rows_differ(wanted, self._relation(found), relation),
        )

    def expect_answer(
        self,
        endpoint: str,
        rows: Sequence[Mapping[str, object]] | None = None,
        *,
        params: Mapping[str, object] | None = None,
        order: bool = True,
        tolerance: float | Decimal = TOLERANCE,
        schema: Mapping[str, str] | None = None,
    ) -> None:
        """Compare an endpoint's answer; as `expect`, and its parameters."""
        answer = self._asked(self._found("endpoint", endpoint, _endpoints), params)
        wanted = Wanted(rows or (), order, Decimal(str(tolerance)))
        _demand(
            "" if schema is None else schema_differs(schema, answer.types, endpoint),
            "" if rows is None else rows_differ(wanted, answer, endpoint),
        )

    def expect_check(
        self,
        check: str,
        failures: Sequence[Mapping[str, object]] = (),
        *,
        params: Mapping[str, object] | None = None,
        order: bool = True,
        tolerance: float | Decimal = TOLERANCE,
    ) -> None:
        """Compare the failures that a check gives: none where it passes."""
        answer = self._asked(self._found("check", check, _checks), params)
        wanted = Wanted(failures, order, Decimal(str(tolerance)))
        _demand(rows_differ(wanted, answer, f"check {check}"))

    def expect_alert(
        self,
        alert: str,
        rows: Sequence[Mapping[str, object]] = (),
        *,
        params: Mapping[str, object] | None = None,
        order: bool = True,
        tolerance: float | Decimal = TOLERANCE,
    ) -> None:
        """Compare the rows that an alert gives at this moment: none where all is well."""
        answer = self._asked(self._found("alert", alert, _alerts), params)
        wanted = Wanted(rows, order, Decimal(str(tolerance)))
        _demand(rows_differ(wanted, answer, f"alert {alert}"))

    def expect_dead_letters(
        self, of: str, rows: Sequence[Mapping[str, object]], *, order: bool = False
    ) -> None:
        """Compare the dead letters of a source or a bronze relation; columns as `dead_letters`."""
        _demand(rows_differ(Wanted(rows, order), self._dead_letters(of), f"dead letters of {of}"))

    @property
    def _now_ms(self) -> int:
        return int(self.now.timestamp() * 1000)

    def _create(self) -> None:
        for setting in _JSON:
            self._engine.execute(f"SET output_format_json_{setting}")
        try:
            self._engine.execute(f"CREATE DATABASE {FILES}")
        except EngineError as error:
            if error.code != _EXISTS:
                raise
            raise EngineError(
                "another sandbox is open in this process: they would share one engine",
                next_step="close it first, or let pytest share it: penstock.testing.fixtures",
            ) from error
        for domain in self.project.domains:
            self._engine.execute(f"CREATE DATABASE IF NOT EXISTS `{domain.database}`")
            self._enter(domain.database)
            for relation in domain.relations:
                for statement in relation.statements:
                    self._make(relation, statement)
        # The engine's own clock runs on, and a TTL counts by it: rows of a test may be years old.
        self._engine.execute("SYSTEM STOP MERGES")

    def _make(self, relation: Relation, statement: Statement) -> None:
        sql = statement.sql
        if statement.kind == "view" and clock.looks(statement.tokens):
            sql = clock.frozen(sql, self._now_ms)
        try:
            self._engine.execute(sql)
        except EngineError as error:
            where = f"{relation.path.relative_to(self.project.root)}:{statement.line}"
            step = f"penstock check {self.project.root} says more"
            raise EngineError(error.what, code=error.code, where=where, next_step=step) from error
        if statement.table and "fsync_after_insert" in statement.table.settings:
            setting = "MODIFY SETTING fsync_after_insert = 0"  # nothing here outlives a power cut
            self._engine.execute(f"ALTER TABLE `{statement.name}` {setting}")

    def _enter(self, database: str) -> None:
        self._engine.execute(f"USE `{database}`")

    def _empty(self, domain: Domain) -> None:
        self._enter(domain.database)
        for relation in domain.relations:
            if relation.table:
                self._engine.execute(f"TRUNCATE TABLE `{relation.name}`")

    def _place(self, into: str) -> tuple[Domain, Source | None, Relation]:
        """Where records go: domain, source (None where a bronze table has none), bronze table."""
        found = self._found("source or bronze relation", into, _places)
        domain = self.project.domain(found.domain)
        if isinstance(found, Source):
            return domain, found, domain.relation(found.into)
        sources = [s for s in domain.sources if s.into == found.name and s.kind != "file"]
        return domain, next(iter(sources), None), found

    def _found(self, noun: str, name: str, of: Callable[[Domain], Iterable[_Item]]) -> _Item:
        """What a name means among what `of` gives of a domain: the first of each name."""
        where, _, bare = name.rpartition("/")
        domains = [self.project.domain(where)] if where else self.project.domains
        known: dict[str, _Item] = {}
        for domain in domains:
            for item in of(domain):
                known.setdefault(f"{domain.name}/{item.name}", item)
        hits = [path for path in known if path.rpartition("/")[2] == bare]
        if len(hits) == 1:
            return known[hits[0]]
        if hits:
            raise UsageError(f"{name!r} is in {' and '.join(hits)}", next_step="name its domain")
        near = nearest(bare, [path.rpartition("/")[2] for path in known])
        raise UsageError(
            f"there is no {noun} called {name!r}",
            next_step=f"did you mean {near!r}?" if near else f"known: {', '.join(known) or 'none'}",
        )

    def _count(self, target: Target, source: str, intent: Intent) -> None:
        """Count a batch as landing does before it closes one."""
        span = intent.spans[0]
        found = self._engine.rows(
            fill("landed", bronze=f"`{target.bronze}`", silver=f"`{target.silver}`"),
            {
                "source": source,
                "batch": str(intent.batch),
                "parts": f"[{span.part}]",
                "first": str(span.start),
            },
        )[0]
        rows, good, silver = (int(found[name]) for name in ("rows", "good", "silver"))
        if rows != intent.rows or good != silver:
            raise ExpectationError(
                f"{intent.rows} rows were given: {rows} are in {target.bronze}, {good} of them "
                f"good, and {silver} are in {target.silver}",
                next_step=f"each good row of {target.bronze} is one row of {target.silver}: "
                "landing would stand still here",
            )

    def _columns(self, relation: Relation) -> list[tuple[str, str, str]]:
        """Name, type and kind of each column that can be read."""
        rows = self._engine.rows(f"DESCRIBE TABLE `{relation.name}`")
        columns = [(str(r["name"]), str(r["type"]), str(r["default_type"])) for r in rows]
        return [column for column in columns if column[2] != "EPHEMERAL"]

    def _relation(self, relation: Relation) -> Answer:
        self._enter(relation.database)
        columns = [
            f"finalizeAggregation(t.`{name}`) AS `{name}`"
            if kind.startswith("AggregateFunction(")
            else f"t.`{name}` AS `{name}`"
            for name, kind, _ in self._columns(relation)
        ]
        engine = relation.table.engine if relation.table else ""
        final = " FINAL" if engine.endswith("MergeTree") and engine != "MergeTree" else ""
        return self._ask(f"SELECT {', '.join(columns)} FROM `{relation.name}` AS t{final}")  # noqa: S608 - names of the project's own

    def _asked(self, endpoint: Endpoint, params: Mapping[str, object] | None) -> Answer:
        return self._answer(endpoint, {k: param_text(v) for k, v in (params or {}).items()})

    def _answer(self, endpoint: Endpoint, params: Mapping[str, str]) -> Answer:
        from penstock.serve.params import bind  # noqa: PLC0415 - a web framework

        self._enter(endpoint.database)
        return self._ask(clock.frozen(endpoint.sql, self._now_ms), bind(endpoint, params))

    def _dead_letters(self, of: str) -> Answer:
        domain, source, bronze = self._place(of)
        self._enter(domain.database)
        sql = fill("dead_letters", bronze=f"`{bronze.name}`")
        one = source if source and of.rpartition("/")[2] != bronze.name else None
        which = {"source": _lands_as(one) if one else "", "reason": ""}
        return self._ask(sql, {"limit": _ALL, "width": _ALL, "since_ms": "0", **which})

    def _ask(self, sql: str, params: Mapping[str, str | None] | None = None) -> Answer:
        lines = self._engine.bytes(sql, _ROWS, params).decode("utf-8", "replace").split("\n")
        names, types, *rows = (json.loads(n, parse_float=Decimal) for n in lines if n)
        return Answer(dict(zip(names, types, strict=True)), [tuple(row) for row in rows])


def _demand(*differences: str) -> None:
    """Demand that there are none. Raises ExpectationError with all of them."""
    if found := [words for words in differences if words]:
        raise ExpectationError("\n".join(found))


def _relations(domain: Domain) -> Iterable[Relation]:
    return domain.relations


def _endpoints(domain: Domain) -> Iterable[Endpoint]:
    return domain.endpoints


def _alerts(domain: Domain) -> Iterable[Endpoint]:
    return tuple(alert.query for alert in domain.alerts)


def _checks(domain: Domain) -> Iterable[Endpoint]:
    return domain.checks


def _places(domain: Domain) -> Iterable[Source | Relation]:
    """Where records can go; a source comes before a bronze table of the same name."""
    return (*domain.sources, *(r for r in domain.relations if r.stage == "bronze"))


def _lands_as(source: Source) -> str:
    """`_source` of its records: those of a file go in by the door of another source."""
    return str(source.options["via"]) if source.kind == "file" else source.name


def _clocked_views(domain: Domain) -> Iterable[Statement]:
    statements = (s for r in domain.relations for s in r.statements)
    return (s for s in statements if s.kind == "view" and clock.looks(s.tokens))


def _time(value: Time) -> dt.datetime:
    return moment(dt.datetime.fromisoformat(value) if isinstance(value, str) else value)


def _intent(batch: int, span: Span, token: str, ingested_ms: int) -> Intent:
    """As the ledger would write it down; each has a token of its own, so that none is dropped."""
    rows = span.stop - span.start
    return Intent(
        batch=batch,
        stream_id=0,
        spans=(span,),
        rows=rows,
        size=0,
        fingerprint="",
        ingested_ms=ingested_ms,
        token=token,
        epoch=0,
        attempts=0,
        error="",
        state="open",
    )


def _mappings(answer: Answer) -> list[dict[str, Any]]:
    """Rows for a person's own code: a Decimal only where the column is one."""
    floats = [("Decimal" not in kind) for kind in answer.types.values()]
    return [
        {
            name: _floats(value) if loose else value
            for name, value, loose in zip(answer.types, row, floats, strict=True)
        }
        for row in answer.rows
    ]


def _floats(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_floats(each) for each in value]
    return {k: _floats(v) for k, v in value.items()} if isinstance(value, dict) else value
