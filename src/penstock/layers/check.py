"""`penstock check`: every statement of a project is compiled in a throw-away engine.

The loader has found what text alone can tell; here the engine says what it thinks of each
statement, each endpoint with its defaults, and of records that no one expects.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from penstock.engine.scratch import Scratch
from penstock.errors import EngineError, InvalidProjectError, Problem
from penstock.layers import panels, refusals, totality
from penstock.layers.refusals import Asked
from penstock.project import lexer, read, statements, table_rules
from penstock.project.alerts import placeholders
from penstock.project.objects import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from penstock.project.dashboards import Dashboard, Panel
    from penstock.project.lexer import Token
    from penstock.project.objects import (
        Alert,
        Domain,
        Endpoint,
        Project,
        Relation,
        Source,
        Statement,
    )


def check(project: Project) -> None:
    """Compile a project. Raises InvalidProjectError with everything that is found."""
    problems = compile_project(project)
    if problems:
        raise InvalidProjectError(problems)


def look(
    root: Path, *, prefix: str = "", engine: Scratch | None = None, proved: Collection[str] = ()
) -> tuple[Project, list[Problem]]:
    """Read a project and compile what can be: everything that is wrong with it, in one list.

    What the engine says about a line that the loader has refused already is left out.

    Args:
        root: the project's folder.
        prefix: put before each domain's name.
        engine: to compile in; else one is started where there is something to compile.
        proved: domains whose relations have stood the trial by odd records as they are now.
    """
    project, problems = read(root, prefix=prefix)
    known = {(p.file, p.line) for p in problems}
    compiled = compile_project(project, engine, proved) if project.domains else []
    return project, sorted([*problems, *(p for p in compiled if (p.file, p.line) not in known)])


def compile_project(
    project: Project, engine: Scratch | None = None, proved: Collection[str] = ()
) -> list[Problem]:
    """Every mistake that the engine finds in a project, ordered by file and line.

    The project may have mistakes of its own (`project.read`): what reads a relation that is not
    there, or reaches outside, is left out, as the loader has said so. `engine` and `proved` as for
    `look`.
    """
    with nullcontext(engine) if engine else Scratch() as scratch:
        found = [
            problem
            for domain in project.domains
            for problem in _Compiler(scratch, project, domain).all(trial=domain.name not in proved)
        ]
    return sorted(set(found))


class _Compiler:
    """Compiles one domain; a relation that fails takes those that read it out of the run."""

    def __init__(self, engine: Scratch, project: Project, domain: Domain) -> None:
        self._engine, self._project, self._domain = engine, project, domain
        self._made: set[str] = set()
        self._columns: dict[str, list[str]] = {}
        self._sound: dict[str, dict[str, object]] = {}
        self._problems: list[Problem] = []

    def all(self, *, trial: bool) -> list[Problem]:
        """Compile everything of the domain; a trial inserts odd records as well."""
        self._trial = trial
        self._engine.execute(f"CREATE DATABASE IF NOT EXISTS `{self._domain.database}`")
        self._engine.execute(f"USE `{self._domain.database}`")
        for relation in self._domain.relations:
            self._relation(relation)
        for endpoint in self._domain.queries:
            self._endpoint(endpoint)
        for alert in self._domain.alerts:
            self._alert(alert)
        for dashboard in self._domain.dashboards:
            for panel in dashboard.panels:
                self._panel(dashboard, panel)
        for source in self._domain.sources:
            self._conversion(source)
        for relation in self._domain.relations:
            whole = all(r.name in self._made for r in self._project.downstream(relation))
            if relation.name in self._sound and whole:
                sound = self._sound[relation.name]
                found = totality.poison(self._engine, self._project, relation, sound)
                self._problems += found
        return self._problems

    def _relation(self, relation: Relation) -> None:
        if not set(relation.reads) <= self._made:
            return
        for statement in relation.statements:
            if _unsafe(statement) or not self._statement(relation, statement):
                return
        self._made.add(relation.name)
        file = self._file(relation)
        for view in relation.views:
            self._problems += totality.conversions(self._engine, file, relation, view)
            self._problems += self._casts(relation, view.query, view.query)
        if relation.stage == "bronze" and relation.table:
            scope = list(lexer.code(f"SELECT 1 FROM {relation.name}"))  # noqa: S608 - a checked name
            for column in relation.table.columns:
                self._problems += self._casts(relation, column.expression, scope)
            if self._trial:
                self._sound[relation.name] = totality.sound_record(self._engine, relation)

    def _casts(
        self, relation: Relation, found: Sequence[Token], query: Sequence[Token]
    ) -> Iterator[Problem]:
        return totality.casts(self._engine, relation, self._file(relation), found, query)

    def _statement(self, relation: Relation, statement: Statement) -> bool:
        """Run one statement; False, with the mistake noted, where the engine refuses it."""
        asked = Asked(self._file(relation), statement.line, statement.sql, statement.tokens)
        known = self._known((*statement.reads, statement.target))
        try:
            self._engine.execute(statement.sql)
            if statement.kind == "dictionary":
                self._engine.execute(f"SYSTEM RELOAD DICTIONARY {statement.name}")
        except EngineError as error:
            self._problems.append(refusals.problem(error, asked, known))
            return False
        self._columns[statement.name] = [
            str(row["name"]) for row in self._engine.rows(f"DESCRIBE TABLE {statement.name}")
        ]
        return True

    def _endpoint(self, endpoint: Endpoint) -> None:
        reaches = any(True for _ in table_rules.foreign_functions(endpoint.tokens))
        if not set(endpoint.reads) <= self._made or reaches:
            return
        explain = "EXPLAIN "
        file = endpoint.path.relative_to(self._project.root).as_posix()
        lines = endpoint.path.read_text("utf-8-sig").splitlines()[: endpoint.line - 1]
        asked = Asked(file, endpoint.line, endpoint.sql, endpoint.tokens, len(explain), lines)
        try:
            params = self._values(endpoint)
            self._engine.rows(explain + endpoint.sql, params)
            self._engine.bytes(endpoint.sql, "Null", params)  # over no rows: it must still answer
        except EngineError as error:
            self._problems.append(refusals.problem(error, asked, self._known(endpoint.reads)))

    def _values(self, endpoint: Endpoint) -> dict[str, str | None]:
        """Something for each parameter: its default, or what its type has for one."""
        return {
            p.name: self._sample(p.type) if p.default is None else p.default
            for p in endpoint.params
        }

    def _panel(self, dashboard: Dashboard, panel: Panel) -> None:
        if set(panel.query.reads) <= self._made:
            params = self._values(panel.query)
            root = self._project.root
            self._problems += panels.unfit(self._engine, dashboard, panel, params, root)

    def _alert(self, alert: Alert) -> None:
        """What an alert's header says of columns, its SELECT has to give."""
        query = alert.query
        if not set(query.reads) <= self._made or not (alert.key or alert.message):
            return
        file = query.path.relative_to(self._project.root).as_posix()
        params = {p.name: p.default for p in query.params}
        try:
            rows = self._engine.rows(f"DESCRIBE TABLE ({query.sql}\n)", params)
        except EngineError:  # it has been told as what the SELECT itself is
            return
        given = [str(row["name"]) for row in rows]
        for name in dict.fromkeys((*alert.key, *placeholders(alert.message))):
            if name not in given:
                near = nearest(name, given)
                hint = f"did you mean {near!r}?" if near else f"it gives {', '.join(given)}"
                cause = f"the SELECT gives no column {name!r}"
                self._problems.append(Problem(file, query.line, cause, hint))

    def _sample(self, kind: str) -> str | None:
        """The default value of a type as text, for a parameter that has none of its own."""
        asked = "SELECT toString(defaultValueOfTypeName({kind:String})) AS value"
        value = self._engine.rows(asked, {"kind": kind})[0]["value"]
        return None if value is None else str(value)

    def _conversion(self, source: Source) -> None:
        """The SELECT that turns a file's rows into records is SQL; its columns are the file's."""
        if source.using is None or not source.using.is_file():
            return
        file = source.using.relative_to(self._project.root).as_posix()
        text = statements.read(file, source.using.read_text(encoding="utf-8-sig", errors="replace"))
        if len(text.pieces) != 1:
            return
        piece = text.pieces[0]
        asked = Asked(file, piece[0].line, text.body(piece), piece)
        try:
            self._engine.rows("SELECT parseQueryToJSON({q:String}) AS tree", {"q": asked.sql})
        except EngineError as error:
            self._problems.append(refusals.problem(error, asked))

    def _known(self, tables: tuple[str, ...]) -> list[str]:
        """Names a statement may use: its tables and their columns."""
        return [c for table in tables for c in self._columns.get(table, ())] + sorted(self._made)

    def _file(self, relation: Relation) -> str:
        return relation.path.relative_to(self._project.root).as_posix()


def _unsafe(statement: Statement) -> bool:
    """Whether the rules refuse to let the engine see a statement at all."""
    if any(True for _ in table_rules.foreign_functions(statement.tokens)):
        return True
    if statement.table and statement.table.engine not in ("", *table_rules.ENGINES):
        return True
    return statement.kind == "dictionary" and any(
        True for _ in table_rules.dictionary_source(statement)
    )
